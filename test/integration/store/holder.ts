/** A process of the tests that holds a state, or changes things until it is killed: `node holder.ts WHAT HOME`. */
import { join } from 'node:path'
import { isOurs } from '../../../src/errors.ts'
import { Home } from '../../../src/store/home.ts'
import { Place } from '../../../src/store/place.ts'
import { openState } from '../../../src/store/state.ts'

const HASH = 'a'.repeat(64)

/** Says each thing after it is done; a line that was printed is a promise. */
const say = (line: string): void => void process.stdout.write(`${line}\n`)

const hold = async (folder: string): Promise<void> => {
  await openState(join(folder, '.portmesh'))
  say('open')
  setInterval(() => undefined, 1_000)
}

const changeState = async (folder: string): Promise<void> => {
  const state = await openState(join(folder, '.portmesh'))
  const begin = Number(state.note('round') ?? 0)
  for (let round = begin + 1; ; round++) {
    const file = { name: `file ${round}`, size: round, hash: HASH, root: HASH }
    state.published.put([{ ...file, publishedMs: round, reach: 'computer' as const }])
    if (round % 3 === 0) state.published.remove([`file ${round - 1}`])
    state.setNote('round', String(round))
    say(`epoch ${state.nextEpoch()}`)
    state.together(() => {
      const head = { id: 'ab', head: new Uint8Array(), sig: new Uint8Array(), addresses: [], lastSeenMs: round }
      state.peers.put(head)
      const files = Array.from({ length: 50 }, (_, i) => ({ ...file, name: `${i}`, published: round }))
      state.peers.replaceFiles('ab', files)
    })
    say(`round ${round}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Content n is n times the digit of n modulo 10, in chunks: whole or not is seen from its name. */
const receive = async (folder: string): Promise<void> => {
  const home = new Home(folder)
  await home.start()
  const place = new Place(home)
  await place.start()
  for (let round = 1; ; round++) {
    async function* chunks(): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < 20; i++) yield new Uint8Array(10_000).fill(round % 256)
    }
    const { name } = await place.receive(chunks(), 'received.bin')
    say(`received ${name}`)
  }
}

/** On a disk of 1 MiB. */
const fill = async (folder: string): Promise<void> => {
  const home = new Home(folder)
  await home.start()
  const place = new Place(home)
  await place.start()
  async function* chunks(count: number): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < count; i++) yield new Uint8Array(65_536)
  }
  const attempt = async (what: string, work: () => unknown): Promise<void> => {
    try {
      await work()
      say(`${what} fine`)
    } catch (error) {
      say(`${what} ${isOurs(error) ? error.code : error}`)
    }
  }
  await attempt('small', () => place.receive(chunks(2), 'small'))
  await attempt('large', () => place.receive(chunks(40), 'large'))
  await attempt('announced', () => place.receive(chunks(1), 'announced', { expectedBytes: 2_000_000 }))
  await attempt('small', () => place.receive(chunks(2), 'small'))
  const state = await openState(join(folder, '.portmesh'))
  const { files } = await home.walk()
  say(`files ${files.map(({ name }) => name).sort()}`)
  const record = { name: 'small', size: 1, hash: HASH, root: HASH, publishedMs: 1, reach: 'computer' as const }
  await attempt('state', () => {
    for (let i = 0; ; i++) state.published.put([{ ...record, name: 'x'.repeat(200) + i }])
  })
  state.close()
  say('closed')
}

const [, , what = '', folder = ''] = process.argv
const works = new Map(Object.entries({ hold, changeState, receive, fill }))
try {
  await works.get(what)?.(folder)
} catch (error) {
  say(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}
