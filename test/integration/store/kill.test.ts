import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { Home } from '../../../src/store/home.ts'
import { Place } from '../../../src/store/place.ts'
import { openState } from '../../../src/store/state.ts'
import { type Running, run, tempDir } from '../../helpers/process.ts'

const holder = (what: string, home: string): Running =>
  run(process.execPath, [fileURLToPath(new URL('holder.ts', import.meta.url)), what, home])

const lastOf = (output: string, word: string): number =>
  Math.max(0, ...[...output.matchAll(new RegExp(`^${word} (\\d+)$`, 'gm'))].map(([, number]) => Number(number)))

test('a home belongs to one process, and a killed one frees it at once', async () => {
  const home = await tempDir()
  const first = holder('hold', home)
  await first.says(/open/)
  const second = holder('hold', home)
  await second.says(/this folder is used by another portmesh/)
  expect((await second.ended).code).toBe(1)
  await expect(openState(join(home, '.portmesh'))).rejects.toThrow('this folder is used by another portmesh')
  await first.kill()
  const began = performance.now()
  const state = await openState(join(home, '.portmesh'))
  expect(performance.now() - began).toBeLessThan(1_000)
  state.close()
})

test('one that waits gets the home as soon as the other is gone', async () => {
  const home = await tempDir()
  const first = holder('hold', home)
  await first.says(/open/)
  const waiting = openState(join(home, '.portmesh'), { waitMs: 10_000 })
  await first.kill()
  const began = performance.now()
  const state = await waiting
  expect(performance.now() - began).toBeLessThan(1_000)
  state.close()
})

test('a kill at any moment leaves everything that was said to be written, and nothing in halves', async () => {
  const home = await tempDir()
  let [saidRound, saidEpoch] = [0, 0]
  for (let kill = 0; kill < 8; kill++) {
    const writing = holder('changeState', home)
    await writing.says(/round \d+/)
    await new Promise((resolve) => setTimeout(resolve, 20 + 37 * kill))
    await writing.kill()
    saidRound = Math.max(saidRound, lastOf(writing.output(), 'round'))
    expect(lastOf(writing.output(), 'epoch')).toBeGreaterThan(saidEpoch)
    saidEpoch = lastOf(writing.output(), 'epoch')

    const state = await openState(join(home, '.portmesh'))
    expect(state.notices).toEqual([])
    const names = new Set(state.published.all().map(({ name }) => name))
    // The last one may have lost its name to a round that was not said any more.
    for (let round = 1; round < saidRound; round++) {
      expect(names.has(`file ${round}`), `file ${round}`).toBe(round % 3 !== 2)
    }
    const [peer] = state.peers.all()
    expect(peer?.files).toHaveLength(50)
    for (const { published } of peer?.files ?? []) expect(published).toBe(peer?.lastSeenMs)
    state.close()
  }
})

test('a kill while files arrive leaves whole files only, and the next start removes the rest', async () => {
  const folder = await tempDir()
  for (let kill = 0; kill < 6; kill++) {
    const receiving = holder('receive', folder)
    await receiving.says(/received /)
    await new Promise((resolve) => setTimeout(resolve, 13 * kill))
    await receiving.kill()
    for (const [, name = ''] of receiving.output().matchAll(/^received (.+)$/gm)) {
      expect(await readdir(folder)).toContain(name)
    }
    const home = new Home(folder)
    await home.start()
    for (const { name } of (await home.walk()).files) {
      const bytes = await readFile(join(folder, name))
      expect(bytes.length).toBe(200_000)
      expect(bytes.every((byte) => byte === bytes[0])).toBe(true)
    }
    const place = new Place(home)
    await place.start()
    expect(await readdir(place.folder)).toEqual([])
  }
})
