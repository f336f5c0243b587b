/** Real nodes on real networks: computers of their own in network namespaces. */
import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type CatalogueJson, type NodeJson, type PublishedJson, until } from '../helpers/api.ts'
import { type Lab, labSkipReason, startLab } from '../helpers/lab.ts'
import { LAN_PORT, type LanNodeOptions, type Reached, startLanNode, talk } from '../helpers/lan-node.ts'
import { portsFile } from '../helpers/process.ts'

/** Far more than it takes: 2 s on a quiet machine. */
const FOUND_MS = 20_000
const MINUTE_MS = 60_000

const skipped = labSkipReason()
if (skipped !== undefined) console.log(`nodes on a network: skipped, ${skipped}`)

const joined = async (lab: Lab, computer: number, options: LanNodeOptions = {}): Promise<Reached> =>
  await startLanNode(lab, computer, { interval: 1, ...options, words: ['--lan', ...(options.words ?? [])] })

const nodesOf = async (node: Reached): Promise<readonly NodeJson[]> =>
  (await talk<{ nodes: NodeJson[] }>(node, '/nodes')).nodes

const here = async (node: Reached): Promise<string[]> =>
  (await nodesOf(node)).flatMap(({ name, alive }) => (alive ? [name] : [])).sort()

const untilHere = async (node: Reached, names: readonly string[], withinMs = FOUND_MS): Promise<void> =>
  void (await until(
    () => here(node),
    (found) => found.join() === [...names].sort().join(),
    withinMs,
  ))

const catalogueOf = async (node: Reached): Promise<CatalogueJson> => await talk(node, '/getfile/available?size=1000')

const namesOn = async (node: Reached): Promise<string[]> =>
  (await catalogueOf(node)).files.flatMap(({ names }) => names).sort()

const publish = async (
  node: Reached,
  name: string,
  bytes: Uint8Array | string,
  reach?: string,
): Promise<PublishedJson> => {
  await writeFile(join(node.home, name), bytes)
  const published = await talk<PublishedJson>(node, `/myfiles/${name}/upload`, {})
  if (reach !== undefined) await talk(node, `/myfiles/${name}/reach`, { reach })
  return published
}

interface TransferJson {
  readonly id: string
  readonly state: string
  readonly done: number
  readonly holders: readonly { readonly address: string; readonly bytes: number }[]
}

const fetched = async (node: Reached, root: string, withinMs = MINUTE_MS): Promise<TransferJson> => {
  const { id } = await talk<TransferJson>(node, '/transfers', { root })
  return await until(
    async () => await talk<TransferJson>(node, `/transfers/${id}`),
    ({ state }) => state === 'done' || state === 'failed',
    withinMs,
  )
}

/** What somebody on another computer gets for an address of this one. */
const askedFrom = (lab: Lab, computer: number, url: string, ...words: readonly string[]): string => {
  const [ip = 'ip', ...inside] = lab.inside(computer)
  const script =
    'const [url, method = "GET"] = process.argv.slice(1); fetch(url, { method, headers: { accept: "text/html" } }).then(async (r) => console.log(r.status, await r.text()), (e) => console.log("error", e.cause?.code))'
  return execFileSync(ip, [...inside, process.execPath, '-e', script, url, ...words], { encoding: 'utf8' }).trim()
}

const onComputer = (lab: Lab, computer: number, ...words: readonly string[]): void => {
  const [ip = 'ip', ...inside] = lab.inside(computer)
  execFileSync(ip, [...inside, ...words], { stdio: 'pipe' })
}

/** A program that is no node, on port 5000 of a computer. @returns what ends it */
const startOther = async (lab: Lab, computer: number, host: string): Promise<() => Promise<void>> => {
  const [ip = 'ip', ...inside] = lab.inside(computer)
  const script = `require('http').createServer((q, r) => r.end('hello')).listen(${LAN_PORT}, '${host}', () => console.log('up'))`
  const child = spawn(ip, [...inside, process.execPath, '-e', script], { stdio: ['ignore', 'pipe', 'ignore'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return async () => {
    child.kill('SIGKILL')
    await once(child, 'close')
  }
}

describe.skipIf(skipped !== undefined)('computers on one network', { timeout: 3 * MINUTE_MS }, () => {
  test('find each other by themselves, share one catalogue, and fetch from all holders', async () => {
    const lab = startLab({ computers: 3 })
    const [one, two, three] = await Promise.all([1, 2, 3].map(async (computer) => await joined(lab, computer)))
    if (!one || !two || !three) throw new Error('not started')
    await Promise.all([untilHere(one, ['computer 2', 'computer 3']), untilHere(three, ['computer 1', 'computer 2'])])
    const bytes = randomBytes(8_000_000)
    const { root } = await publish(one, 'film.mp4', bytes)
    await publish(two, 'copy.mp4', bytes)
    await until(
      async () => (await catalogueOf(three)).files[0]?.holders.length,
      (holders) => holders === 2,
    )
    expect(await fetched(three, root)).toMatchObject({ state: 'done' })
    expect(await readFile(join(three.home, 'film.mp4')).catch(() => readFile(join(three.home, 'copy.mp4')))).toEqual(
      bytes,
    )
    // One row each, whatever way one has heard of it.
    expect((await nodesOf(three)).map(({ address }) => address).sort()).toEqual([
      `${lab.address(1)}:${LAN_PORT}`,
      `${lab.address(2)}:${LAN_PORT}`,
    ])
    // A node that is killed says no goodbye: it is missed all the same.
    await two.kill()
    await untilHere(three, ['computer 1'])
    await one.stop()
    await untilHere(three, [])
  })

  test('see the person’s pages on none of their addresses', async () => {
    const lab = startLab({ computers: 2, ipv6: true })
    const node = await joined(lab, 1)
    await publish(node, 'plan.pdf', 'plan')
    for (const host of [lab.address(1), `[${lab.address6(1)}]`]) {
      for (const path of [
        '/',
        '/myfiles',
        '/nodes',
        '/lan',
        '/events',
        '/doctor',
        '/transfers',
        '/assets/page.js',
        '/getfile/available',
      ]) {
        const answer = askedFrom(lab, 2, `http://${host}:${LAN_PORT}${path}`)
        expect(answer, path).toBe('401 {"error":{"code":"PM_NO_SESSION","message":"no session"}}')
      }
      expect(askedFrom(lab, 2, `http://${host}:${LAN_PORT}/lan`, 'POST')).toContain('PM_NO_SESSION')
      expect(askedFrom(lab, 2, `http://${host}:${LAN_PORT}/uploaded/clear`, 'POST')).toContain('PM_NO_SESSION')
      expect(askedFrom(lab, 2, `http://${host}:${LAN_PORT}/alive`)).toBe('200 up and running')
    }
    expect(await namesOn(node)).toEqual(['plan.pdf'])
  })

  test('see only what is shown to them, from one moment to the next', async () => {
    const lab = startLab({ computers: 2 })
    const [one, two] = await Promise.all([joined(lab, 1), joined(lab, 2)])
    await Promise.all([untilHere(one, ['computer 2']), untilHere(two, ['computer 1'])])
    const secret = await publish(one, 'diary.txt', randomBytes(300_000), 'computer')
    await publish(one, 'song.flac', 'la')
    await until(
      () => namesOn(two),
      (names) => names.join() === 'song.flac',
    )
    expect(await namesOn(one)).toEqual(['diary.txt', 'song.flac'])
    await expect(talk(two, '/transfers', { root: secret.root })).rejects.toThrow('PM_UNKNOWN_CONTENT')
    await talk(one, '/myfiles/diary.txt/reach', { reach: 'network' })
    await until(
      () => namesOn(two),
      (names) => names.join() === 'diary.txt,song.flac',
    )
    expect(await fetched(two, secret.root)).toMatchObject({ state: 'done' })
    await talk(one, '/uploaded/reach', { reach: 'computer' })
    await until(
      () => namesOn(two),
      (names) => names.length === 0,
    )
    // Left, nobody of the network is answered any more; joined again, it is found again.
    await talk(one, '/lan', { on: false })
    await untilHere(two, [])
    expect(askedFrom(lab, 2, `http://${lab.address(1)}:${LAN_PORT}/alive`)).toBe('error ECONNREFUSED')
    await talk(one, '/lan', { on: true })
    await untilHere(two, ['computer 1'])
  })

  test('without multicast need one introduction', async () => {
    const lab = startLab({ computers: 3, multicast: false })
    const [one, two, three] = await Promise.all([1, 2, 3].map(async (computer) => await joined(lab, computer)))
    if (!one || !two || !three) throw new Error('not started')
    expect(await talk(one, '/nodes', { address: lab.address(2) })).toMatchObject({ found: true })
    expect(await talk(three, '/nodes', { address: `http://${lab.address(2)}:${LAN_PORT}/` })).toMatchObject({
      found: true,
    })
    await Promise.all([untilHere(one, ['computer 2', 'computer 3']), untilHere(three, ['computer 1', 'computer 2'])])
    const { found } = await talk<{ found: { code: string }[] }>(one, '/doctor')
    expect(found.map(({ code }) => code)).toEqual(expect.arrayContaining(['listening', 'reachable', 'others', 'node']))
    // What was typed is looked for again after a restart.
    await one.stop()
    const again = await joined(lab, 1, { home: one.home })
    await untilHere(again, ['computer 2', 'computer 3'])
  })

  test('are found by a line of the list of ports', async () => {
    const lab = startLab({ computers: 2, multicast: false })
    const list = await portsFile([LAN_PORT, `${lab.address(1)}:${LAN_PORT}`])
    const [one, two] = await Promise.all([joined(lab, 1), joined(lab, 2, { ports: list })])
    await Promise.all([untilHere(one, ['computer 2']), untilHere(two, ['computer 1'])])
  })

  test('that are cut off come back by themselves, and a transfer goes on', async () => {
    const lab = startLab({ computers: 3, rates: ['40mbit', '40mbit', '40mbit'] })
    const [one, two, three] = await Promise.all([1, 2, 3].map(async (computer) => await joined(lab, computer)))
    if (!one || !two || !three) throw new Error('not started')
    await Promise.all(
      [one, two, three].map(
        async (node, at) =>
          await untilHere(
            node,
            [1, 2, 3].filter((n) => n !== at + 1).map((n) => `computer ${n}`),
          ),
      ),
    )
    const bytes = randomBytes(20_000_000)
    const { root } = await publish(one, 'image.iso', bytes)
    await until(
      () => namesOn(two),
      (names) => names.includes('image.iso'),
    )
    const { id } = await talk<TransferJson>(two, '/transfers', { root })
    const transfer = async () => await talk<TransferJson>(two, `/transfers/${id}`)
    await until(transfer, ({ done }) => done > 2_000_000)
    lab.cut(1)
    await untilHere(two, ['computer 3'])
    await untilHere(one, [])
    lab.heal(1)
    expect(await until(transfer, ({ state }) => state === 'done', MINUTE_MS)).toMatchObject({ state: 'done' })
    expect(await readFile(join(two.home, 'image.iso'))).toEqual(bytes)
    await untilHere(one, ['computer 2', 'computer 3'])
    // Two halves are two meshes, and one again.
    lab.split(1)
    await untilHere(one, [])
    await untilHere(two, ['computer 3'])
    lab.join()
    await untilHere(one, ['computer 2', 'computer 3'])
  })

  test('get new addresses, and stay the same nodes', async () => {
    const lab = startLab({ computers: 2 })
    const [one, two] = await Promise.all([joined(lab, 1), joined(lab, 2)])
    await Promise.all([untilHere(one, ['computer 2']), untilHere(two, ['computer 1'])])
    const moved = lab.changeAddress(1)
    await until(
      async () => (await nodesOf(two)).filter(({ alive }) => alive).map(({ address }) => address),
      (addresses) => addresses.join() === `${moved}:${LAN_PORT}`,
      FOUND_MS,
    )
    expect(await nodesOf(two)).toHaveLength(1)
    await publish(one, 'after.txt', 'after')
    await until(
      () => namesOn(two),
      (names) => names.join() === 'after.txt',
    )
  })

  test('may be seen at one address only', async () => {
    const lab = startLab({ computers: 2, ipv6: true })
    const node = await startLanNode(lab, 1, { interval: 1, words: ['--host', lab.address(1)] })
    expect(await talk(node, '/lan')).toMatchObject({ on: true, addresses: [`${lab.address(1)}:${LAN_PORT}`] })
    expect(askedFrom(lab, 2, `http://${lab.address(1)}:${LAN_PORT}/alive`)).toBe('200 up and running')
    expect(askedFrom(lab, 2, `http://[${lab.address6(1)}]:${LAN_PORT}/alive`)).toBe('error ECONNREFUSED')
  })

  test('speak IPv6 where there is nothing else', async () => {
    const lab = startLab({ computers: 2, ipv4: false, ipv6: true })
    const [one, two] = await Promise.all([joined(lab, 1), joined(lab, 2)])
    await Promise.all([untilHere(one, ['computer 2'], MINUTE_MS), untilHere(two, ['computer 1'], MINUTE_MS)])
    const bytes = randomBytes(1_000_000)
    const { root } = await publish(one, 'six.bin', bytes)
    await until(
      () => namesOn(two),
      (names) => names.includes('six.bin'),
    )
    expect(await fetched(two, root)).toMatchObject({ state: 'done' })
    expect((await nodesOf(two)).map(({ address }) => address)).toEqual([`[${lab.address6(1)}]:${LAN_PORT}`])
  })

  test('may have two nodes each', async () => {
    const lab = startLab({ computers: 2 })
    const ports = await portsFile([LAN_PORT, LAN_PORT + 1])
    const one = await joined(lab, 1, { ports, name: 'first' })
    const second = await joined(lab, 1, { ports, name: 'second' })
    const two = await joined(lab, 2, { ports, name: 'other' })
    await untilHere(two, ['first', 'second'])
    await untilHere(one, ['other', 'second'])
    await untilHere(second, ['first', 'other'])
    // Those of one computer ask each other there: each sees what the other shows to its own computer only.
    expect((await nodesOf(one)).find(({ name }) => name === 'second')?.address).toBe(`127.0.0.1:${LAN_PORT + 1}`)
    await publish(one, 'mine.txt', 'mine', 'computer')
    await until(
      () => namesOn(second),
      (names) => names.join() === 'mine.txt',
    )
    await publish(one, 'ours.txt', 'ours')
    await until(
      () => namesOn(two),
      (names) => names.join() === 'ours.txt',
    )
  })
})

describe.skipIf(skipped !== undefined)('the doctor', { timeout: 3 * MINUTE_MS }, () => {
  const codes = async (node: Reached): Promise<string[]> =>
    (await talk<{ found: { code: string; level: string }[] }>(node, '/doctor')).found.map(
      ({ level, code }) => `${level} ${code}`,
    )

  test('tells what keeps computers apart', async () => {
    const lab = startLab({ computers: 3, multicast: false })
    const alone = await startLanNode(lab, 3, { interval: 1 })
    expect(await codes(alone)).toContain('no lan-off')
    await alone.stop()
    const one = await joined(lab, 1)
    const say = async (address: string) => void (await talk(one, '/nodes', { address }))
    // Nothing runs on computer 2, nobody has the address 99, the third is on no network of ours, the fourth no name.
    for (const address of [lab.address(2), '10.77.0.99', '203.0.113.9', 'nobody.invalid']) await say(address)
    const found = await until(
      () => codes(one),
      (all) => all.includes('no multicast-silent'),
      FOUND_MS,
    )
    expect(found).toEqual(expect.arrayContaining(['no refused', 'no other-network', 'no name', 'ok listening']))
    expect(found.some((code) => code === 'no silent' || code === 'no unreachable')).toBe(true)
    const other = await startOther(lab, 2, '0.0.0.0')
    await until(
      () => codes(one),
      (all) => all.includes('no other-program'),
      FOUND_MS,
    )
    await other()
    const two = await joined(lab, 2)
    await until(
      () => codes(one),
      (all) => all.includes('ok node') && all.includes('ok reachable'),
      FOUND_MS,
    )
    // A firewall: what comes in from outside to that port goes nowhere.
    onComputer(lab, 1, 'ip', 'rule', 'add', 'prio', '100', 'lookup', 'local')
    onComputer(lab, 1, 'ip', 'rule', 'del', 'prio', '0')
    onComputer(
      lab,
      1,
      'ip',
      'rule',
      'add',
      'prio',
      '50',
      'iif',
      'eth0',
      'ipproto',
      'tcp',
      'dport',
      `${LAN_PORT}`,
      'blackhole',
    )
    expect(
      await until(
        () => codes(one),
        (all) => all.includes('no firewall'),
        MINUTE_MS,
      ),
    ).toContain('no firewall')
    await two.stop()
  })

  test('says what is wrong with this computer', async () => {
    const lab = startLab({ computers: 1 })
    const other = await startOther(lab, 1, lab.address(1))
    onComputer(lab, 1, 'ip', 'link', 'add', 'tun7', 'type', 'veth', 'peer', 'name', 'far7')
    onComputer(lab, 1, 'ip', 'addr', 'add', '10.99.0.1/24', 'dev', 'tun7')
    for (const end of ['tun7', 'far7']) onComputer(lab, 1, 'ip', 'link', 'set', end, 'up')
    const node = await joined(lab, 1)
    expect(node.output()).toContain(`warning: it cannot listen at ${lab.address(1)} (EADDRINUSE)`)
    expect(await codes(node)).toEqual(expect.arrayContaining(['no cannot-listen', 'care vpn']))
    await other()
    await until(
      () => codes(node),
      (all) => !all.includes('no cannot-listen'),
      FOUND_MS,
    )
    expect((await talk<{ addresses: string[] }>(node, '/lan')).addresses).toContain(`${lab.address(1)}:${LAN_PORT}`)
  })

  test('says when there is no network at all', async () => {
    const lab = startLab({ computers: 1 })
    const node = await joined(lab, 1)
    lab.link(1, 'down')
    onComputer(lab, 1, 'ip', 'addr', 'flush', 'dev', 'eth0')
    await until(
      () => codes(node),
      (all) => all.includes('no no-network'),
      FOUND_MS,
    )
  })
})
