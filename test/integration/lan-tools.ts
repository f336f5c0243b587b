/** Programs on the computers of a lab, and what they say. */
import { fileURLToPath } from 'node:url'
import type { LinkStatus } from '../../src/lan/mdns-link.ts'
import { until } from '../helpers/api.ts'
import type { Lab } from '../helpers/lab.ts'
import { type Running, run } from '../helpers/process.ts'

export interface Said {
  readonly found?: string
  readonly id?: string
  readonly gone?: string
  readonly open?: readonly string[]
  readonly failed?: readonly (readonly [string, string])[]
  readonly trouble?: string
  readonly status?: readonly LinkStatus[]
  readonly memory?: number
  readonly stoppedMs?: number
  readonly atMs: number
}

export interface LanProgram {
  readonly id: string
  readonly running: Running
  /** Everything it said, in order. */
  readonly said: readonly Said[]
  readonly startedMs: number
  /** The first thing it said, or says, that fits. */
  hears(what: string, fits: (said: Said) => boolean, withinMs?: number): Promise<Said>
  tell(message: unknown): void
  status(): Promise<readonly LinkStatus[]>
  stop(): Promise<number>
}

export const PORT = 5_000

/** 64 hexadecimal characters that begin with those of a number. */
export const idOf = (number: number): string => number.toString(16).padStart(4, '0').padEnd(64, 'ab')

/** The room `lan` on a computer: `port` 5000, an id of its number. */
export const startLanProgram = (
  lab: Lab,
  computer: number,
  { id = idOf(computer), port = PORT }: { readonly id?: string; readonly port?: number } = {},
): LanProgram => startOn(lab, computer, 'lan-program.ts', id, [id, String(port)])

/** Sends whatever datagrams it is told. */
export const startHostile = async (
  lab: Lab,
  computer: number,
): Promise<(datagrams: readonly Buffer[]) => Promise<void>> => {
  const program = startOn(lab, computer, 'lan-hostile.ts', '', [lab.address(computer)])
  await program.hears('that it is ready', (said) => 'ready' in said)
  return async (datagrams) => {
    const before = program.said.length
    program.tell(datagrams.map((one) => one.toString('base64')))
    const sent = await program.hears('that it sent', (said) => 'sent' in said && program.said.indexOf(said) >= before)
    if ((sent.failed ?? []).length > 0) throw new Error(`not sent: ${sent.failed}`)
  }
}

const startOn = (lab: Lab, computer: number, file: string, id: string, words: readonly string[]): LanProgram => {
  const [ip = 'ip', ...inside] = lab.inside(computer)
  const path = fileURLToPath(new URL(file, import.meta.url))
  const startedMs = performance.now()
  const running = run(ip, [...inside, process.execPath, path, ...words], { channel: true })
  const said: Said[] = []
  running.child.on('message', (message) => said.push({ ...(message as object), atMs: performance.now() }))
  const hears: LanProgram['hears'] = async (what, fits, withinMs = 10_000) => {
    const look = async (): Promise<Said | undefined> => said.find(fits)
    const found = await until(look, (one) => one !== undefined, withinMs).catch(() => undefined)
    if (!found) throw new Error(`computer ${computer} did not say ${what}: ${JSON.stringify(said)} ${running.output()}`)
    return found
  }
  const tell = (message: unknown): void => void running.child.send(message as object)
  const askedFor = async (): Promise<Said> => {
    const before = said.length
    tell('status')
    return await hears('its status', (one) => one.status !== undefined && said.indexOf(one) >= before)
  }
  return {
    id,
    running,
    said,
    startedMs,
    hears,
    tell,
    status: async () => (await askedFor()).status ?? [],
    stop: async () => {
      tell('stop')
      const { stoppedMs = Number.NaN } = await hears('that it stopped', (one) => one.stoppedMs !== undefined)
      await running.ended
      return stoppedMs
    },
  }
}
