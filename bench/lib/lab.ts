/** Computers on one switch, in network namespaces: veth pairs, one bridge, and a rate in each direction. Linux, as root. */
import { execFileSync } from 'node:child_process'
import { cleanUp } from '../measure.ts'
import { isAlive } from './machine.ts'
import { findAll } from './programs.ts'

/** Begins the name of every namespace of ours, then the process that made it. */
const PREFIX = 'portmesh-bench-'
const NETWORK = '10.77.0'
/** Smaller ones make the kernel cut every packet up, and that costs more processor time than what is measured. */
const BURST = '128kb'
const QUEUE = '100ms'
/** Part of the result: with another one the shares between several senders are uneven. */
const CONGESTION = 'cubic'

export interface Lab {
  /** Of computer 1, 2, ... */
  address(computer: number): string
  /** Words to be put before a command line, so that it runs on that computer. */
  inside(computer: number): readonly string[]
  /** Change the rate of a computer, in both directions. */
  rate(computer: number, rate: string): void
}

/**
 * @param rates - one for each computer, as tc writes them ("100mbit")
 * @returns the lab, gone when the benchmark ends; or why there can be none
 */
export const buildLab = (rates: readonly string[]): Lab | string => {
  if (process.platform !== 'linux') return 'network namespaces are of Linux'
  if (process.getuid?.() !== 0) return 'network namespaces need root'
  const programs = findAll('ip', 'tc')
  if (!programs) return 'ip and tc are not installed'
  const run = (...words: readonly string[]): string =>
    execFileSync(programs.ip, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  removeStale(run)
  const own = `${PREFIX}${process.pid}-`
  const wire = `${own}switch`
  const name = (computer: number): string => `${own}${computer}`
  cleanUp(async () => removeAll(run, own))
  const limit = (space: string, device: string, rate: string): void =>
    void run('netns', 'exec', space, programs.tc, 'qdisc', 'replace', 'dev', device, 'root', ...bucket(rate))
  const lab: Lab = {
    address: (computer) => `${NETWORK}.${computer}`,
    inside: (computer) => [programs.ip, 'netns', 'exec', name(computer)],
    rate: (computer, rate) => {
      limit(name(computer), 'eth0', rate)
      limit(wire, `p${computer}`, rate)
    },
  }
  try {
    run('netns', 'add', wire)
    run('-n', wire, 'link', 'add', 'br0', 'type', 'bridge')
    run('-n', wire, 'link', 'set', 'br0', 'up')
    for (const [index, rate] of rates.entries()) {
      const computer = index + 1
      const [space, port, address] = [name(computer), `p${computer}`, lab.address(computer)]
      run('netns', 'add', space)
      run('-n', space, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', port, 'netns', wire)
      run('-n', wire, 'link', 'set', port, 'master', 'br0', 'up')
      run('-n', space, 'link', 'set', 'lo', 'up')
      run('-n', space, 'addr', 'add', `${address}/24`, 'dev', 'eth0')
      run('-n', space, 'link', 'set', 'eth0', 'up')
      const route = [`${NETWORK}.0/24`, 'dev', 'eth0', 'proto', 'kernel', 'scope', 'link', 'src', address]
      run('-n', space, 'route', 'replace', ...route, 'congctl', CONGESTION)
      lab.rate(computer, rate)
    }
    return lab
  } catch (error) {
    removeAll(run, own)
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : String(error)
    return `network namespaces cannot be made here (${said})`
  }
}

const bucket = (rate: string): readonly string[] => ['tbf', 'rate', rate, 'burst', BURST, 'latency', QUEUE]

type Ip = (...words: readonly string[]) => string

const namespaces = (run: Ip): readonly string[] =>
  run('netns', 'list')
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '')
    .filter((name) => name.startsWith(PREFIX))

/** What runs inside is ended, too. */
const removeAll = (run: Ip, beginning: string): void => {
  for (const name of namespaces(run).filter((one) => one.startsWith(beginning))) {
    for (const pid of run('netns', 'pids', name).split('\n').filter(Boolean)) end(Number(pid))
    run('netns', 'del', name)
  }
}

/** Labs of benchmarks that were killed. */
const removeStale = (run: Ip): void => {
  const owners = new Set(namespaces(run).map((name) => name.slice(PREFIX.length).split('-')[0] ?? ''))
  for (const owner of owners) if (!isAlive(Number(owner))) removeAll(run, `${PREFIX}${owner}-`)
}

const end = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}
