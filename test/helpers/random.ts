/** Chance that can be repeated: what the fuzz tests draw from, and rounds that say their seed when they fail. */
import { isOurs } from '../../src/errors.ts'
import { seeded } from './faults.ts'

/** `PORTMESH_LONG=1` makes each fuzz test run for seconds instead of rounds; a larger number that many times as long. */
const LENGTH = Number(process.env.PORTMESH_LONG) || (process.env.PORTMESH_LONG ? 1 : 0)
const LONG_MS = 5_000 * LENGTH
/** Given, only the round of that seed is run. */
const GIVEN = process.env.PORTMESH_SEED
/** The rounds that are the same in every run. */
const FIXED = 20_250_101
/** From one round to the next; odd, so that every seed comes once. */
const STEP = 0x9e3779b1
/** What takes longer for inputs of some kilobytes hangs for larger ones. */
const ROUND_LIMIT_MS = 5_000

/** For tests that run `fuzz`: time for the long form. */
export const PATIENT = { timeout: 60_000 + 40 * LONG_MS }

export interface Rounds {
  /** Of the fixed seed, and as many of a fresh one. */
  readonly rounds: number
  /** How much longer than others it runs in the long form. */
  readonly weight?: number
  /** What one round may take. */
  readonly limitMs?: number
}

/** Run rounds, each with chance of its own. @throws with `PORTMESH_SEED=..`, which repeats the round that failed. */
export const fuzz = async (
  { rounds, weight = 1, limitMs = ROUND_LIMIT_MS }: Rounds,
  round: (random: Random) => unknown,
): Promise<void> => {
  const once = async (seed: number): Promise<void> => {
    const began = performance.now()
    try {
      await round(new Random(seed))
    } catch (cause) {
      throw new Error(`PORTMESH_SEED=${seed} repeats it: ${cause instanceof Error ? cause.message : cause}`, { cause })
    }
    const tookMs = performance.now() - began
    if (tookMs > limitMs) throw new Error(`PORTMESH_SEED=${seed} repeats it: a round took ${tookMs.toFixed(0)} ms`)
  }
  if (GIVEN !== undefined) return await once(Number(GIVEN))
  const until = performance.now() + LONG_MS * weight
  const fresh = Math.floor(Math.random() * 2 ** 32)
  for (const first of [FIXED, fresh]) for (let at = 0; at < rounds; at++) await once((first + at * STEP) >>> 0)
  for (let at = rounds; performance.now() < until; at++) await once((fresh + at * STEP) >>> 0)
}

/** What breaks programs more often than chance would find it. */
const TRICKY: readonly string[] = [
  ...'. .. / // \\ ../ ..\\ ~ % %00 %2e%2e%2f %2F %252f %c0%af %ff %u0041 %E0%A4%A + & = ; , " \' # ? * : |'.split(' '),
  ...'<script> <%=1%> {%1%} {{1}} CON nul.txt a:b __proto__ constructor toString true null NaN Infinity'.split(' '),
  ...'-1 0 00 1e400 0x10 9007199254740993 65536 127.0.0.1:5001'.split(' '),
  ...['', ' ', '\t', '\r', '\n', '\r\n', '\0', '\x1b[2J', '\x7f', '\x85', '\u2028', '\ufeff', '\u200b', '\u202e'],
  ...['\ud800', '\udc00', '\ufffd', 'e\u0301', '\u00e9', '\u0130', '\ufb01', '\u{1f600}', '\u{e0001}'],
]
const LENGTHS = [0, 1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 64, 255, 256, 257, 1_000, 1_001, 4_096]

export class Random {
  readonly seed: number
  readonly #next: () => number

  constructor(seed: number) {
    this.seed = seed
    this.#next = seeded(seed)
  }

  /** 0 to `below` - 1. */
  int(below: number): number {
    return Math.floor(this.#next() * below)
  }

  chance(share: number): boolean {
    return this.#next() < share
  }

  pick<Value>(values: readonly Value[]): Value {
    const at = this.int(values.length)
    if (at >= values.length) throw new RangeError('nothing to pick from')
    return values[at] as Value // just counted
  }

  /** As many as chance has it, up to `most`. */
  list<Value>(most: number, make: () => Value): Value[] {
    return Array.from({ length: this.int(most + 1) }, make)
  }

  shuffled<Value>(values: readonly Value[]): Value[] {
    return values
      .map((value) => ({ value, at: this.#next() }))
      .sort((a, b) => a.at - b.at)
      .map(({ value }) => value)
  }

  /** Short mostly, and often one at which something changes. */
  length(most: number): number {
    const length = this.chance(0.4) ? this.pick(LENGTHS) : this.int(this.chance(0.8) ? 40 : most + 1)
    return Math.min(length, most)
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.int(256))
  }

  /** Up to about `most` characters: tricky pieces, letters, and any code unit at all. */
  text(most = 200, tricky: readonly string[] = TRICKY): string {
    const length = this.length(most)
    let out = ''
    while (out.length < length) out += this.#piece(tricky)
    return out
  }

  #piece(tricky: readonly string[]): string {
    const kind = this.int(10)
    if (kind < 4) return String.fromCharCode(0x61 + this.int(26))
    if (kind < 7) return this.pick(tricky)
    if (kind === 7) return String.fromCharCode(this.int(256))
    if (kind === 8) return String.fromCharCode(this.int(65_536))
    return this.pick(tricky).repeat(this.int(20))
  }

  /** Any value that JSON has, and some that only JavaScript has. */
  value(depth = 3): unknown {
    const kind = this.int(depth > 0 ? 9 : 6)
    if (kind === 0) return this.text(80)
    if (kind === 1) return this.number()
    if (kind === 2) return this.pick([null, true, false])
    if (kind === 3) return this.pick(['', 'a', '0', 0, -0, []])
    if (kind === 4) return this.bytes(this.int(50)).toString()
    if (kind === 5) return undefined
    if (kind === 6) return this.list(5, () => this.value(depth - 1))
    return Object.fromEntries(this.list(6, () => [this.text(12), this.value(depth - 1)]))
  }

  number(): number {
    const some = [0, -0, 1, -1, 0.5, 255, 65_535, 65_536, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 1e21, 1e308]
    return this.chance(0.6) ? this.pick([...some, Number.NaN, Number.POSITIVE_INFINITY]) : this.int(2 ** 32) - 2 ** 31
  }

  /** The same bytes with a few changes: flipped, cut, joined with others, repeated, swapped. */
  mutated(bytes: Uint8Array): Uint8Array {
    let out = bytes
    for (let changes = 1 + this.int(3); changes > 0; changes--) out = this.#changed(out)
    return out
  }

  #changed(bytes: Uint8Array): Uint8Array {
    const at = this.int(bytes.length + 1)
    const to = Math.min(bytes.length, at + 1 + this.int(this.chance(0.5) ? 4 : 100))
    const [before, middle, after] = [bytes.subarray(0, at), bytes.subarray(at, to), bytes.subarray(to)]
    const pieces = [
      () => [before, this.bytes(middle.length), after],
      () => [before, middle.map((byte) => byte ^ (1 << this.int(8))), after],
      () => [before, after],
      () => [before],
      () => [middle, after],
      () => [before, this.bytes(this.int(20)), middle, after],
      () => [before, Buffer.from(this.pick(TRICKY)), middle, after],
      () => [before, middle, middle, after],
      () => [after, middle, before],
    ]
    return new Uint8Array(Buffer.concat(this.pick(pieces)()))
  }

  /** The same text with a few changes; what was well-formed may not be so afterwards. */
  mutatedText(text: string): string {
    const units = Buffer.from(text, 'utf16le')
    const plain = Buffer.from(text, 'latin1').toString('latin1') === text
    if (plain && this.chance(0.8)) return Buffer.from(this.mutated(Buffer.from(text, 'latin1'))).toString('latin1')
    const out = Buffer.from(this.mutated(units))
    return out.subarray(0, out.length & ~1).toString('utf16le')
  }

  /** The same value with one of its fields lost, doubled, renamed, or something else. */
  mutatedFields(value: Readonly<Record<string, unknown>>): unknown {
    if (this.chance(0.05)) return this.value()
    const entries = Object.entries(value)
    for (let changes = 1 + this.int(2); changes > 0; changes--) {
      const at = this.int(entries.length)
      const [name = '', old] = entries[at] ?? []
      const changed = typeof old === 'string' && this.chance(0.7) ? this.mutatedText(old) : this.value(2)
      const kind = this.int(5)
      if (kind === 0) entries.splice(at, 1)
      else if (kind === 1) entries.push([this.text(10), changed])
      else entries.splice(at, 1, [name, changed])
    }
    return Object.fromEntries(entries)
  }

  /** The same bytes in chunks of any size, empty ones too. */
  chunks(bytes: Uint8Array): Uint8Array[] {
    const out: Uint8Array[] = []
    const most = this.pick([1, 3, 20, 1_000, 70_000, 2 ** 21])
    for (let at = 0; at < bytes.length; ) {
      const size = Math.max(this.int(most + 1), bytes.length > 10_000 && most < 20 ? 500 : 0)
      out.push(bytes.subarray(at, at + size))
      at += size
    }
    return out
  }
}

/** What a function gives, or the code of an error of ours; anything else that it throws is a fault. */
export const attempt = <Value>(run: () => Value): { readonly value: Value } | { readonly code: string } => {
  try {
    return { value: run() }
  } catch (error) {
    if (isOurs(error)) return { code: error.code }
    throw error
  }
}

/** As `attempt`, for what takes its time. */
export const attemptLater = async <Value>(
  run: () => Promise<Value>,
): Promise<{ readonly value: Value } | { readonly code: string }> => {
  try {
    return { value: await run() }
  } catch (error) {
    if (isOurs(error)) return { code: error.code }
    throw error
  }
}
