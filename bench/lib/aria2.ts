/** aria2: a swarm over BitTorrent on the computers of a lab. */
import { once } from 'node:events'
import { chmod, copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { find } from '../../test/helpers/find-program.ts'
import type { Lab } from '../../test/helpers/lab.ts'
import { cpuOfTree } from './machine.ts'
import { endGroup, start } from './programs.ts'
import { randomFile } from './room.ts'
import type { Contender } from './rounds.ts'
import { writeTorrent } from './torrent.ts'

const TRACKER_PORT = 6_969
const TRACKER = fileURLToPath(new URL('tracker.ts', import.meta.url))
const NAME = 'content.bin'
/** A quarter of what others take: many small pieces spread sooner. */
const PIECE_BYTES = 256 * 1024
const SEEDS_AFTER_MS = 2_000
const WITHIN_MS = 120_000

export interface Aria2Options {
  readonly lab: Lab
  readonly folder: string
  readonly askers: number
  readonly size: number
}

/** Its start and its first words with the tracker are in its time. @returns undefined when it is not installed */
export const aria2Crowd = async ({ lab, folder, askers, size }: Aria2Options): Promise<Contender | undefined> => {
  const aria2 = find('aria2c')
  if (!aria2) return undefined
  const own = join(folder, 'aria2')
  await mkdir(own)
  const content = join(own, NAME)
  const torrent = join(own, 'content.torrent')
  await randomFile(content, size)
  const announce = `http://${lab.address(1)}:${TRACKER_PORT}/announce`
  await writeTorrent(torrent, { path: content, name: NAME, announce, pieceBytes: PIECE_BYTES })
  const done = join(own, 'done.sh')
  await writeFile(done, `#!/bin/sh\ndate +%s%N > "$BENCH_DONE"\n`)
  await chmod(done, 0o755)
  const words = [
    '--no-conf=true',
    '--quiet=true',
    '--enable-dht=false',
    '--enable-dht6=false',
    '--bt-enable-lpd=false',
    '--disable-ipv6=true',
    '--file-allocation=none',
    '--seed-ratio=0.0',
    '--bt-seed-unverified=true',
    '--listen-port=6881',
    '--bt-tracker-interval=1',
    '--allow-overwrite=true',
    `--on-bt-download-complete=${done}`,
  ]
  const run: Contender['run'] = async (_round, watch) => {
    const on = (computer: number, program: string, more: readonly string[], env?: NodeJS.ProcessEnv) => {
      const [ip = 'ip', ...inside] = lab.inside(computer)
      return start(ip, [...inside, program, ...more], env)
    }
    // A tracker of its own each time: it remembers nobody.
    const running = [on(1, process.execPath, [TRACKER, String(TRACKER_PORT)])]
    const folders = Array.from({ length: askers + 1 }, (_, at) => join(own, `computer-${at + 1}`))
    for (const one of folders) await mkdir(one)
    await copyFile(content, join(folders[0] ?? '', NAME))
    const client = (computer: number, from: string) =>
      on(computer, aria2, [...words, `--dir=${from}`, torrent], { BENCH_DONE: join(from, 'done') })
    try {
      await sleep(SEEDS_AFTER_MS / 2)
      running.push(client(1, folders[0] ?? ''))
      await sleep(SEEDS_AFTER_MS)
      const watched = watch()
      const began = Date.now()
      for (let at = 1; at <= askers; at++) running.push(client(at + 1, folders[at] ?? ''))
      const ends = await Promise.all(folders.slice(1).map((one) => endOf(join(one, 'done'))))
      watched()
      const cpu = running.reduce((sum, { pid }) => sum + cpuOfTree(pid ?? 0), 0)
      return {
        seconds: (Math.max(...ends) - began) / 1_000,
        cpu,
        more: { 'the first is done, s': (Math.min(...ends) - began) / 1_000 },
      }
    } finally {
      const ended = running.map((child) => once(child, 'exit'))
      for (const child of running) endGroup(child)
      await Promise.all(ended)
      for (const one of folders) await rm(one, { recursive: true, force: true })
    }
  }
  return { name: 'aria2 (start and tracker included)', run }
}

/** When a client was done; ms since 1970. */
const endOf = async (file: string): Promise<number> => {
  const until = Date.now() + WITHIN_MS
  for (;;) {
    const nanoseconds = await readFile(file, 'utf8').catch(() => '')
    if (nanoseconds.endsWith('\n')) return Number(nanoseconds) / 1e6
    if (Date.now() > until) throw new Error('aria2 is not done')
    await sleep(50)
  }
}
