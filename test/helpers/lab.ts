/**
 * Computers on one switch, in network namespaces: veth pairs and a bridge, nothing leaves them. Linux, as root.
 * They have the numbers 1, 2, ...; addresses are of IPv4, of IPv6 (ULA), or of both.
 */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { onTestFinished } from 'vitest'
import { findAll } from './find-program.ts'
import type { CleanUp } from './process.ts'

/** Begins the name of every namespace of ours, then the process that made it, and which of its labs. */
const PREFIX = 'portmesh-lab-'
const NETWORK_4 = '10.77.0'
const NETWORK_6 = 'fd77::'
/** Added to a computer's number in its next address. */
const NEXT_ADDRESS = 50
const MAX_COMPUTERS = 49
/** Smaller ones make the kernel cut every packet up, and that costs more processor time than what is measured. */
const BURST = '128kb'
const QUEUE = '100ms'
/** Part of what is measured: with another one the shares between several senders are uneven. */
const CONGESTION = 'cubic'

export interface LabOptions {
  readonly computers: number
  readonly ipv4?: boolean
  readonly ipv6?: boolean
  /** False: the switch passes on no multicast at all, as some access points do. */
  readonly multicast?: boolean
  /** One for each computer, as tc writes them ("100mbit"); unlimited when left out. */
  readonly rates?: readonly string[]
  /** Outside of a test give one of your own. */
  readonly cleanUp?: CleanUp
}

export interface Lab {
  readonly computers: number
  /** Of computer 1, 2, ...: the present one, of IPv4 where there is one. */
  address(computer: number): string
  address6(computer: number): string
  /** Words to be put before a command line, so that it runs on that computer. */
  inside(computer: number): readonly string[]
  /** Change the rate of a computer, in both directions. */
  rate(computer: number, rate: string): void
  /** Pull a computer's cable out of the switch. */
  cut(computer: number): void
  heal(computer: number): void
  /** The computers 1 to k on one switch, the others on another. */
  split(k: number): void
  join(): void
  /** As a router does that hands out another address. @returns the new one */
  changeAddress(computer: number): string
  /** `link` and its words for a computer's network card: `link(1, 'down')`. */
  link(computer: number, ...words: readonly string[]): void
}

let labs = 0
let why: { readonly reason: string | undefined } | undefined

/** Why there can be no lab here; undefined when there can. */
export const labSkipReason = (): string | undefined => {
  if (!why) {
    const works: (() => Promise<void>)[] = []
    const lab = buildLab({ computers: 1, ipv6: true, cleanUp: (work) => void works.push(work) })
    for (const work of works) void work()
    why = { reason: typeof lab === 'string' ? lab : undefined }
  }
  return why.reason
}

/** A lab for a test. @throws where there can be none: ask labSkipReason before */
export const startLab = (options: LabOptions): Lab => {
  const lab = buildLab(options)
  if (typeof lab === 'string') throw new Error(lab)
  return lab
}

/** @returns the lab, gone when the test ends; or why there can be none */
export const buildLab = (options: LabOptions): Lab | string => {
  const { computers, cleanUp = onTestFinished } = options
  if (computers > MAX_COMPUTERS) return `a lab has at most ${MAX_COMPUTERS} computers`
  if (process.platform !== 'linux') return 'network namespaces are of Linux'
  if (process.getuid?.() !== 0) return 'network namespaces need root'
  const programs = findAll('ip', 'tc')
  if (!programs) return 'ip and tc are not installed'
  const run = (...words: readonly string[]): string =>
    execFileSync(programs.ip, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  const own = `${PREFIX}${process.pid}-${++labs}-`
  cleanUp(async () => removeAll(run, own))
  try {
    removeStale(run)
    return wired(options, { run, ...programs, own })
  } catch (error) {
    removeAll(run, own)
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : String(error)
    return `network namespaces cannot be made here (${said})`
  }
}

type Run = (...words: readonly string[]) => string

interface Tools {
  readonly run: Run
  readonly ip: string
  readonly tc: string
  readonly own: string
}

const wired = (options: LabOptions, { run, ip, tc, own }: Tools): Lab => {
  const { computers, ipv4 = true, ipv6 = false, multicast = true, rates } = options
  const wire = `${own}switch`
  const all = Array.from({ length: computers }, (_, index) => index + 1)
  const name = (computer: number): string => `${own}${computer}`
  /** The last part of the present address. */
  const parts = new Map(all.map((computer) => [computer, computer]))
  const partOf = (computer: number): number => parts.get(computer) ?? computer
  const address4 = (computer: number): string => `${NETWORK_4}.${partOf(computer)}`
  const address6 = (computer: number): string => `${NETWORK_6}${partOf(computer).toString(16)}`
  const limit = (space: string, device: string, rate: string): void =>
    void run('netns', 'exec', space, tc, 'qdisc', 'replace', 'dev', device, 'root', ...bucket(rate))
  const plug = (computer: number, bridge: string): void =>
    void run('-n', wire, 'link', 'set', `p${computer}`, 'master', bridge)

  const lab: Lab = {
    computers,
    address: ipv4 ? address4 : address6,
    address6,
    inside: (computer) => [ip, 'netns', 'exec', name(computer)],
    rate: (computer, rate) => {
      limit(name(computer), 'eth0', rate)
      limit(wire, `p${computer}`, rate)
    },
    cut: (computer) => void run('-n', wire, 'link', 'set', `p${computer}`, 'down'),
    heal: (computer) => void run('-n', wire, 'link', 'set', `p${computer}`, 'up'),
    split: (k) => {
      for (const computer of all) plug(computer, computer > k ? 'br1' : 'br0')
      if (!multicast) all.forEach(deafen)
    },
    join: () => lab.split(computers),
    changeAddress: (computer) => {
      changeAddresses('del', computer)
      parts.set(computer, (partOf(computer) + NEXT_ADDRESS) % 250)
      changeAddresses('add', computer)
      return lab.address(computer)
    },
    link: (computer, ...words) => void run('-n', name(computer), 'link', 'set', 'eth0', ...words),
  }

  const changeAddresses = (verb: 'add' | 'del', computer: number): void => {
    const to = ['-n', name(computer), 'addr', verb]
    if (ipv4) run(...to, `${address4(computer)}/24`, 'dev', 'eth0')
    // Without detection of duplicates (RFC 4862, 5.4): an address that may not be used for a second is no part of the lab.
    if (ipv6) run(...to, `${address6(computer)}/64`, 'dev', 'eth0', ...(verb === 'add' ? ['nodad'] : []))
  }
  const deafen = (computer: number): void =>
    void run('-n', wire, 'link', 'set', `p${computer}`, 'type', 'bridge_slave', 'mcast_flood', 'off')

  run('netns', 'add', wire)
  for (const bridge of ['br0', 'br1']) {
    // Without snooping: there is no querier here, and multicast must reach everybody.
    run('-n', wire, 'link', 'add', bridge, 'type', 'bridge', 'mcast_snooping', '0')
    run('-n', wire, 'link', 'set', bridge, 'up')
  }
  for (const computer of all) {
    const [space, port] = [name(computer), `p${computer}`]
    run('netns', 'add', space)
    const card = ['eth0', 'address', macOf(computer), 'type', 'veth']
    run('-n', space, 'link', 'add', ...card, 'peer', 'name', port, 'netns', wire)
    plug(computer, 'br0')
    lab.heal(computer)
    run('-n', space, 'link', 'set', 'lo', 'up')
    run('netns', 'exec', space, 'sh', '-c', quietIpv6(ipv6))
    changeAddresses('add', computer)
    run('-n', space, 'link', 'set', 'eth0', 'up')
    if (!multicast) deafen(computer)
    // Neighbours of IPv6 find each other by multicast: without it they have to know.
    for (const other of ipv6 && !multicast ? all.filter((one) => one !== computer) : [])
      run('-n', space, 'neigh', 'add', address6(other), 'lladdr', macOf(other), 'dev', 'eth0')
    const rate = rates?.[computer - 1]
    if (rate === undefined) continue
    const source = address4(computer)
    const route = [`${NETWORK_4}.0/24`, 'dev', 'eth0', 'proto', 'kernel', 'scope', 'link', 'src', source]
    run('-n', space, 'route', 'replace', ...route, 'congctl', CONGESTION)
    lab.rate(computer, rate)
  }
  return lab
}

const bucket = (rate: string): readonly string[] => ['tbf', 'rate', rate, 'burst', BURST, 'latency', QUEUE]

const macOf = (computer: number): string => `02:00:00:00:77:${computer.toString(16).padStart(2, '0')}`

/** Where there is IPv6, link-local addresses are there at once, too; where not, no trace of it. */
const quietIpv6 = (ipv6: boolean): string => {
  const folder = '/proc/sys/net/ipv6/conf/eth0'
  return ipv6 ? `echo 0 > ${folder}/accept_dad` : `test ! -e ${folder} || echo 1 > ${folder}/disable_ipv6`
}

const namespaces = (run: Run): readonly string[] =>
  run('netns', 'list')
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '')
    .filter((name) => name.startsWith(PREFIX))

/** What runs inside is ended, too. */
const removeAll = (run: Run, beginning: string): void => {
  for (const name of namespaces(run).filter((one) => one.startsWith(beginning))) {
    try {
      for (const pid of run('netns', 'pids', name).split('\n').filter(Boolean)) end(Number(pid))
      run('netns', 'del', name)
    } catch {
      // Somebody else has removed it meanwhile.
    }
  }
}

/** Labs of processes that were killed. */
const removeStale = (run: Run): void => {
  const owners = new Set(namespaces(run).map((name) => name.slice(PREFIX.length).split('-')[0] ?? ''))
  for (const owner of owners) if (!existsSync(`/proc/${owner}`)) removeAll(run, `${PREFIX}${owner}-`)
}

const end = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}
