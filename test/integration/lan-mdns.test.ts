import { setTimeout as sleep } from 'node:timers/promises'
import { encode } from 'dns-packet'
import { describe, expect, test } from 'vitest'
import { announcement } from '../../src/lan/mdns-records.ts'
import { until } from '../helpers/api.ts'
import { labSkipReason, startLab } from '../helpers/lab.ts'
import { run } from '../helpers/process.ts'
import { idOf, type LanProgram, PORT, startHostile, startLanProgram } from './lan-tools.ts'

/** Enough for whatever would be heard to have been heard: several questions and announcements. */
const QUIET_MS = 2_500
const SERVICE = '_portmesh._tcp.local'

const untilFound = async (program: LanProgram, address: string, id: string): Promise<number> =>
  (await program.hears(`${address} ${id}`, (said) => said.found === address && said.id === id)).atMs

describe.skipIf(labSkipReason())('nodes of one network', () => {
  test('three computers find each other', async () => {
    const lab = startLab({ computers: 3 })
    const programs = [1, 2, 3].map((computer) => startLanProgram(lab, computer))
    const times: number[] = []
    for (const [at, program] of programs.entries())
      for (const [other, { id }] of programs.entries())
        if (other !== at)
          times.push((await untilFound(program, `${lab.address(other + 1)}:${PORT}`, id)) - program.startedMs)
    console.log(`found after ${times.map((ms) => ms.toFixed(0)).join(' ')} ms, of which Node takes some to start`)
    for (const [at, { said }] of programs.entries()) expect(said.filter(({ id }) => id === idOf(at + 1))).toEqual([])
    for (const program of programs)
      expect(await program.status()).toEqual([
        { name: 'eth0', address: expect.any(String), sent: expect.any(Number), heard: expect.any(Number) },
      ])
    expect((await programs[0]?.status())?.[0]?.heard).toBeGreaterThan(0)
  })

  test('who stops says goodbye, and who was only unplugged does not', async () => {
    const lab = startLab({ computers: 3 })
    const [one, two, three] = [1, 2, 3].map((computer) => startLanProgram(lab, computer))
    if (!one || !two || !three) throw new Error('no programs')
    for (const id of [two.id, three.id]) await one.hears(id, (said) => said.id === id)
    lab.cut(3)
    expect(await three.stop()).toBeLessThan(5_000)
    const stopping = two.stop()
    await one.hears('goodbye', (said) => said.gone === two.id)
    expect(await stopping).toBeLessThan(5_000)
    expect(one.said.filter(({ gone }) => gone !== undefined)).toHaveLength(1)
  })

  test('a new address is announced, and asked from', async () => {
    const lab = startLab({ computers: 2 })
    const [one, two] = [startLanProgram(lab, 1), startLanProgram(lab, 2)]
    await untilFound(one, `${lab.address(2)}:${PORT}`, two.id)
    const before = two.said.length
    const address = lab.changeAddress(2)
    await untilFound(one, `${address}:${PORT}`, two.id)
    expect((await two.status()).map((link) => link.address)).toEqual([address])
    // What it hears is told anew from time to time only; the other one's address has not changed.
    expect(two.said.slice(before).filter(({ found }) => found !== undefined)).toEqual([])
  })

  test('an interface that comes later is used', async () => {
    const lab = startLab({ computers: 2 })
    lab.link(2, 'down')
    const [one, two] = [startLanProgram(lab, 1), startLanProgram(lab, 2)]
    await one.hears('that it listens', (said) => said.open !== undefined)
    await two.hears('anything', () => true, 500).catch(() => {})
    lab.link(2, 'up')
    await untilFound(one, `${lab.address(2)}:${PORT}`, two.id)
    await untilFound(two, `${lab.address(1)}:${PORT}`, one.id)
  })

  test('who comes into one network later is found by the next question', async () => {
    const lab = startLab({ computers: 2 })
    lab.split(1)
    const [one, two] = [startLanProgram(lab, 1), startLanProgram(lab, 2)]
    await sleep(QUIET_MS)
    expect([...one.said, ...two.said].filter(({ found }) => found !== undefined)).toEqual([])
    lab.join()
    await untilFound(one, `${lab.address(2)}:${PORT}`, two.id)
    await untilFound(two, `${lab.address(1)}:${PORT}`, one.id)
  })

  test('where there is IPv6 only, computers find each other by it', async () => {
    const lab = startLab({ computers: 2, ipv4: false, ipv6: true })
    const [one, two] = [startLanProgram(lab, 1), startLanProgram(lab, 2)]
    await untilFound(one, `[${lab.address6(2)}]:${PORT}`, two.id)
    await untilFound(two, `[${lab.address6(1)}]:${PORT}`, one.id)
    const [link, ...more] = await one.status()
    expect(link).toMatchObject({ name: 'eth0', address: lab.address6(1) })
    expect(link?.heard).toBeGreaterThan(0)
    expect(more).toEqual([])
  })

  test('where there is both, each is told', async () => {
    const lab = startLab({ computers: 2, ipv6: true })
    const [one, two] = [startLanProgram(lab, 1), startLanProgram(lab, 2)]
    await untilFound(one, `[${lab.address6(2)}]:${PORT}`, two.id)
    await untilFound(one, `${lab.address(2)}:${PORT}`, two.id)
    expect(await one.status()).toHaveLength(2)
  })

  test('two nodes of one computer share the port of multicast DNS', async () => {
    const lab = startLab({ computers: 2 })
    const one = startLanProgram(lab, 1)
    const other = startLanProgram(lab, 1, { id: idOf(11), port: 5_001 })
    const far = startLanProgram(lab, 2)
    await untilFound(one, `${lab.address(1)}:5001`, other.id)
    await untilFound(other, `${lab.address(1)}:${PORT}`, one.id)
    for (const program of [one, other]) await untilFound(program, `${lab.address(2)}:${PORT}`, far.id)
    await untilFound(far, `${lab.address(1)}:5001`, other.id)
    await untilFound(far, `${lab.address(1)}:${PORT}`, one.id)
    // Leaving takes nothing from the other one.
    await other.stop()
    await one.hears('goodbye', (said) => said.gone === other.id)
    expect(far.said.filter(({ gone }) => gone === one.id)).toEqual([])
  })

  test('ids that begin alike are no conflict', async () => {
    const lab = startLab({ computers: 3 })
    const twins = [2, 3].map((computer) =>
      startLanProgram(lab, computer, { id: `${idOf(7).slice(0, 40)}${String(computer).repeat(24)}` }),
    )
    const one = startLanProgram(lab, 1)
    for (const [at, { id }] of twins.entries()) await untilFound(one, `${lab.address(at + 2)}:${PORT}`, id)
  })

  test('without multicast nothing is heard, and the status says so', async () => {
    const lab = startLab({ computers: 2, multicast: false })
    const programs = [startLanProgram(lab, 1), startLanProgram(lab, 2)]
    for (const program of programs) {
      const sentSome = async () => (await program.status())[0]?.sent ?? 0
      await until(sentSome, (sent) => sent >= 4)
      expect(await program.status()).toMatchObject([{ heard: 0 }])
      expect(program.said.filter(({ found }) => found !== undefined)).toEqual([])
    }
    // The computers do reach each other: it is multicast alone that is missing.
    const [ip = 'ip', ...inside] = lab.inside(1)
    const asked = run(ip, [
      ...inside,
      process.execPath,
      '-e',
      `fetch('http://${lab.address(2)}:${PORT}/x').then(async (a) => console.log(await a.text()))`,
    ])
    await asked.says(new RegExp(`${programs[1]?.id} /x`))
  })

  test('where another program keeps the port for itself, the status says so, and it is tried again', async () => {
    const lab = startLab({ computers: 2 })
    const [ip = 'ip', ...inside] = lab.inside(1)
    const keep = `require('node:dgram').createSocket('udp4').bind(5353, () => console.log('kept'))`
    const keeper = run(ip, [...inside, process.execPath, '-e', keep])
    await keeper.says(/kept/)
    const [one, two] = [startLanProgram(lab, 1), startLanProgram(lab, 2)]
    const error = async () => (await one.status())[0]?.error
    await until(error, (code) => code === 'EADDRINUSE')
    await keeper.kill()
    await untilFound(one, `${lab.address(2)}:${PORT}`, two.id)
    expect(await error()).toBe(undefined)
  })

  test('whatever a stranger sends, only what can be a node is told, and not much of it', async () => {
    const lab = startLab({ computers: 3 })
    const victim = startLanProgram(lab, 1)
    await victim.hears('that it listens', (said) => said.open !== undefined)
    const send = await startHostile(lab, 3)
    const id = idOf(66)
    const lie = (port: number, host: string, who = id): Buffer => encode(announcement({ id: who, port }, [host]))
    const told = () => victim.said.flatMap(({ found }) => found ?? [])
    // What is not read in this second, of so many from one computer, is said again.
    const tellUntilTold = async (port: number) => {
      const again = async () => {
        await send([lie(port, lab.address(3))])
        return told().includes(`${lab.address(3)}:${port}`)
      }
      await until(again, (done) => done)
    }
    const lies = [
      '127.0.0.1',
      '0.0.0.0',
      '224.0.0.251',
      '255.255.255.255',
      '8.8.8.8',
      '::1',
      '::',
      'ff02::1',
      'fe80::1',
    ]
    const escapes = announcement({ id: `\u001b[31m${id.slice(5)}`, port: 7_001 }, [lab.address(3)])
    await send([
      lie(0, lab.address(3)),
      ...[...lies, '::ffff:127.0.0.1', '2001:db8::1'].map((host, at) => lie(6_000 + at, host)),
      encode(escapes),
    ])
    await tellUntilTold(7_777)
    // A lie about the address leaves the one it came from, as of anybody who names none.
    const usable = [...Array.from({ length: 11 }, (_, at) => 6_000 + at), 7_777].map(
      (port) => `${lab.address(3)}:${port}`,
    )
    expect(told()).toEqual(usable)

    const inventions = Array.from({ length: 300 }, (_, at) => lie(1 + at, lab.address(3), idOf(1_000 + at)))
    await sleep(1_000)
    await send(inventions)
    const friend = startLanProgram(lab, 2)
    await untilFound(victim, `${lab.address(2)}:${PORT}`, friend.id)
    await untilFound(friend, `${lab.address(1)}:${PORT}`, victim.id)
    // 32 a second of one computer, however many it sends.
    expect(told().length).toBeLessThan(110)

    await send([
      Buffer.alloc(0),
      Buffer.from('portmesh'),
      Buffer.alloc(9_000, 0xc0),
      Buffer.concat([Buffer.from('000084000000ffff00000000', 'hex'), Buffer.from(SERVICE)]),
      Buffer.concat([Buffer.alloc(12, 0xff), Buffer.from('portmesh')]),
      encode({ type: 'response', answers: thousands() }),
    ])
    for (let from = 0; from < 200; from += 25) {
      await send(Array.from({ length: 25 }, (_, at) => noise(from + at)))
      await sleep(200)
    }
    await tellUntilTold(7_778)
    expect(await victim.status()).toHaveLength(1)
    await victim.stop()
  })
})

/** The same bytes in every run. */
const noise = (seed: number): Buffer => {
  const bytes = Buffer.alloc(40 + ((seed * 37) % 1_400))
  for (let at = 0; at < bytes.length; at += 1)
    bytes[at] = (Math.imul(seed + 1, 2_654_435_761) >>> (at % 24)) ^ (at * 31)
  bytes.write(SERVICE, 12)
  bytes.writeUInt16BE(0x8400, 2)
  bytes.fill(0, 4, 12)
  bytes.writeUInt16BE(1 + (seed % 60), 6)
  return bytes
}

/** As many as a datagram takes of the shortest. */
const thousands = () => Array.from({ length: 4_000 }, () => ({ name: '.', type: 'A' as const, data: '10.77.0.9' }))
