import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { toB64u, toHex } from '../../../src/bytes.ts'
import { type Identity, sign, verify } from '../../../src/crypto/identity.ts'
import { OwnRow } from '../../../src/dht/row.ts'
import { PeerTable } from '../../../src/dht/table.ts'
import { HintBudget } from '../../../src/discovery/hint-budget.ts'
import { Introductions } from '../../../src/discovery/introductions.ts'
import { News } from '../../../src/news.ts'
import { checker, PeersAnswer } from '../../../src/protocol/messages.ts'
import { strangerIdentity } from '../../helpers/stranger.ts'

type Told = PeersAnswer['peers'][number]

const rowOf = (identity: Identity): OwnRow =>
  new OwnRow({ id: identity.id, name: 'one', epoch: 1, sign: (head) => sign(identity.seed, 'row', head) })

/** What is said of a node. */
const told = (addresses: readonly string[], identity = strangerIdentity()): Told => {
  const { bytes, sig } = rowOf(identity).head()
  return { head: toB64u(bytes), sig: toB64u(sig), addresses: [...addresses] }
}

const introducing = ({ learn, hints }: { learn?: (address: string) => Promise<void>; hints?: HintBudget } = {}) => {
  const clock = { now: 0 }
  const verifyRow = (id: Uint8Array, sig: Uint8Array, head: Uint8Array) => verify(id, sig, 'row', head)
  const table = new PeerTable({ news: new News(), verify: verifyRow, onRow: () => {}, now: () => clock.now })
  const own = strangerIdentity()
  const learned: string[] = []
  const asked: string[] = []
  const says: { peers: Told[] } = { peers: [] }
  const ending = new AbortController()
  const introductions = new Introductions({
    client: {
      peers: async (address) => {
        asked.push(address)
        return says
      },
    },
    table,
    ownId: toHex(own.id),
    verify: verifyRow,
    learn: async (address) => {
      learned.push(address)
      await learn?.(address)
    },
    signal: ending.signal,
    now: () => clock.now,
    ...(hints && { hints }),
  })
  /** A node answers at addresses, one after the other. @returns its id */
  const met = async (addresses: readonly string[], identity = strangerIdentity()): Promise<string> => {
    const id = toHex(identity.id)
    for (const address of addresses) await table.accept({ id, address, pages: [rowOf(identity).page({})] })
    return id
  }
  /** Ask somebody who says this of others. @returns what was learnt by it */
  const hear = async (...peers: Told[]): Promise<readonly string[]> => {
    says.peers = peers
    learned.length = 0
    await introductions.ask(`10.9.9.9:${asked.length + 1}`)
    ending.abort()
    return [...learned]
  }
  return { clock, table, own, asked, learned, says, ending, introductions, met, hear }
}

const addressesIn = ({ peers }: PeersAnswer): readonly (readonly string[])[] => peers.map(({ addresses }) => addresses)

test('tells who is alive, with what it signed, the one that answered last first', async () => {
  const { introductions, met, table, clock } = introducing()
  await met(['10.0.0.1:5000'])
  clock.now = 1_000
  const identity = strangerIdentity()
  await met(['10.0.0.2:5000', '[fd00::2]:5000'], identity)
  clock.now = 2_000
  await met(['10.0.0.3:5000'])
  expect(addressesIn(introductions.tell())).toEqual([
    ['10.0.0.3:5000'],
    ['[fd00::2]:5000', '10.0.0.2:5000'],
    ['10.0.0.1:5000'],
  ])
  expect(introductions.tell().peers[1]).toMatchObject(told(['[fd00::2]:5000', '10.0.0.2:5000'], identity))
  table.gone('10.0.0.3:5000')
  expect(addressesIn(introductions.tell())).toHaveLength(2)
})

test.each([
  '127.0.0.1:5000',
  '127.3.2.1:5000',
  '[::1]:5000',
  '[::]:5000',
  '[::ffff:7f00:1]:5000',
  'localhost:5000',
  'a.localhost:5000',
  '0.0.0.0:5000',
])('tells nothing of a node of this computer, at %s, also when it was met elsewhere, too', async (here) => {
  const { introductions, met } = introducing()
  await met([here])
  await met([here, '10.0.0.1:5000'])
  await met(['10.0.0.2:5000', here])
  expect(introductions.tell()).toEqual({ peers: [] })
})

test('tells no names: this computer may have one, and others look it up for themselves', async () => {
  const { introductions, met } = introducing()
  await met(['my-own-name:5000'])
  await met(['ben-pc.local:5000', '10.0.0.1:5000'])
  expect(addressesIn(introductions.tell())).toEqual([['10.0.0.1:5000']])
})

test('tells of 128 nodes at most, with four addresses at most, those of last', async () => {
  const { introductions, met, clock } = introducing()
  for (let node = 1; node <= 140; node += 1) {
    clock.now = node
    await met(Array.from({ length: node === 140 ? 6 : 1 }, (_, other) => `10.0.${other}.${node}:5000`))
  }
  const answer = introductions.tell()
  expect(answer.peers).toHaveLength(128)
  expect(addressesIn(answer)[0]).toEqual([5, 4, 3, 2].map((other) => `10.0.${other}.140:5000`))
  expect(addressesIn(answer)[127]).toEqual(['10.0.0.13:5000'])
  expect(checker(PeersAnswer)(JSON.stringify(answer))).toEqual(answer)
})

test('hears of others at all of their addresses', async () => {
  const { hear } = introducing()
  const peers = [told(['10.0.0.1:5000', '[fd00::1]:5000']), told(['192.168.1.7:1'])]
  expect([...(await hear(...peers))].sort()).toEqual(['10.0.0.1:5000', '192.168.1.7:1', '[fd00::1]:5000'])
})

test('what one address was said of twice is looked at once', async () => {
  const { hear } = introducing()
  expect(await hear(told(['10.0.0.1:5000', '10.0.0.1:5000']), told(['10.0.0.1:5000']))).toEqual(['10.0.0.1:5000'])
})

test('drops what nobody signed, itself, and whom it sees', async () => {
  const { hear, own, met } = introducing()
  const signed = told(['10.0.0.1:5000'])
  const known = strangerIdentity()
  await met(['10.0.0.9:5000'], known)
  const heard = await hear(
    { ...signed, sig: told([]).sig },
    { ...signed, head: told([]).head },
    { ...signed, head: 'e30' },
    { ...signed, head: '*' },
    { ...signed, sig: '' },
    told(['10.0.0.2:5000'], own),
    told(['10.0.0.3:5000'], known),
  )
  expect(heard).toEqual([])
})

test('whom it does not see any more is heard of', async () => {
  const { hear, table, met } = introducing()
  const known = strangerIdentity()
  await met(['10.0.0.9:5000'], known)
  table.gone('10.0.0.9:5000')
  expect(await hear(told(['10.0.0.3:5000'], known))).toEqual(['10.0.0.3:5000'])
})

test.each([
  '127.0.0.1:5000',
  '127.255.255.254:5000',
  'localhost:5000',
  'LOCALHOST:5000',
  'localhost.:5000',
  'evil.localhost:5000',
  '0.0.0.0:5000',
  '0:5000',
  '127.1:5000',
  '2130706433:5000',
  '0x7f.0.0.1:5000',
  '0177.0.0.1:5000',
  '[::1]:5000',
  '[0:0:0:0:0:0:0:1]:5000',
  '[::]:5000',
  '[::ffff:127.0.0.1]:5000',
  '[::ffff:7f00:1]:5000',
  '[::FFFF:7F00:1]:5000',
  '[::ffff:0:0]:5000',
  '[FD00::1]:5000',
  '[fd00:0::1]:5000',
  '[fe80::1%eth0]:5000',
  'fd00::1:5000',
  'evil.example:5000',
  '10.0.0.1',
  '10.0.0.1:',
  '10.0.0.1:0',
  '10.0.0.1:65536',
  '10.0.0.1:05000',
  '10.0.0.1:5e3',
  '10.0.0.1:5000 ',
  ' 10.0.0.1:5000',
  '10.0.0.1:5000/x',
  'http://10.0.0.1:5000',
  'a@10.0.0.1:5000',
  '010.0.0.1:5000',
  '10.0.0.1\r\nx:5000',
  '١٠.0.0.1:5000',
])('never looks at %j, whoever says it', async (address) => {
  const { hear } = introducing()
  expect(await hear(told([address, '10.0.0.7:5000']))).toEqual(['10.0.0.7:5000'])
})

test('asks an address once a minute', async () => {
  const { introductions, asked, clock, ending } = introducing()
  await introductions.ask('10.0.0.1:5000')
  // Nor are there the questions to one that was just met.
  ending.abort()
  for (clock.now = 0; clock.now < 60_000; clock.now += 5_000) await introductions.ask('10.0.0.1:5000')
  expect(asked).toHaveLength(1)
  await introductions.ask('10.0.0.2:5000')
  clock.now = 60_000
  await introductions.ask('10.0.0.1:5000')
  expect(asked).toEqual(['10.0.0.1:5000', '10.0.0.2:5000', '10.0.0.1:5000'])
})

test('looks at sixteen addresses of an answer at the same time, and at the others when those are clear', async () => {
  const waiting: (() => void)[] = []
  const { introductions, learned, says } = introducing({
    learn: async () => await new Promise((resolve) => waiting.push(resolve)),
  })
  const addresses = Array.from({ length: 40 }, (_, index) => `10.0.0.${index + 1}:5000`)
  says.peers = Array.from({ length: 10 }, (_, index) => told(addresses.slice(index * 4, index * 4 + 4)))
  await introductions.ask('10.9.9.9:5000')
  expect(learned).toEqual(addresses.slice(0, 16))
  for (const clear of waiting.splice(0, 3)) clear()
  await setImmediate()
  expect(learned).toEqual(addresses.slice(0, 19))
})

test('no more addresses of one teller are looked at than its budget has', async () => {
  const hints = new HintBudget({ ofPeer: { burst: 5, perS: 0 }, all: { burst: 100, perS: 0 } })
  const { introductions, says, learned, ending } = introducing({ hints })
  says.peers = Array.from({ length: 20 }, (_, at) => told([`10.0.1.${at + 1}:5000`]))
  await introductions.ask('10.0.0.2:5000')
  for (let turn = 0; turn < 50; turn++) await setImmediate()
  ending.abort()
  expect(learned).toHaveLength(5)
})
