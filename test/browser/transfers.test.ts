import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { chmod, mkdir, open, readdir, readFile, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import axe from 'axe-core'
import type { Browser, Locator, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { TransferAnswer } from '../../src/api/transfer.ts'
import { ask, catalogueOf, publish, until } from '../helpers/api.ts'
import { launchBrowser, live, openPage } from '../helpers/browser.ts'
import { freePorts, portsFile, type RunningNode, startNode, tempDir } from '../helpers/process.ts'

/** Hundreds of megabytes, on a machine that has other things to do. */
const PATIENT = { timeout: 240_000 }
/** A change of word is not clicked away before this. */
const NEW_WORD_MS = 750
const MB = 1_000_000

const endings: (() => Promise<void>)[] = []
const cleanUp = (work: () => Promise<void>): void => void endings.unshift(work)
let browser: Browser
let ports: string
/** What this computer was asked to open. */
let opened: string
let ana: RunningNode
let ben: RunningNode
let chloe: RunningNode

/** Ana has a desktop, on which every file is opened by a program that notes its path. */
beforeAll(async () => {
  browser = await launchBrowser(cleanUp)
  ports = await portsFile(await freePorts(5), cleanUp)
  const programs = await tempDir(cleanUp)
  opened = join(programs, 'opened')
  for (const name of ['xdg-open', 'open']) {
    await writeFile(join(programs, name), `#!/bin/sh\nprintf '%s\\n' "$@" >> "${opened}"\n`)
    await chmod(join(programs, name), 0o755)
  }
  const env = { DISPLAY: ':0', PATH: `${programs}${delimiter}${process.env.PATH}` }
  ;[ana, ben, chloe] = (await Promise.all([
    startNode({ ports, name: 'Ana', env, cleanUp }),
    startNode({ ports, name: 'Ben', cleanUp }),
    startNode({ ports, name: 'Chloé', cleanUp }),
  ])) as [RunningNode, RunningNode, RunningNode]
})
afterAll(async () => {
  for (const end of endings) await end()
})

/** Random at its beginning and zeros after it, which cost nothing to make. */
const put = async (
  node: RunningNode,
  name: string,
  bytes: number,
  seed: Buffer = randomBytes(1_000),
): Promise<void> => {
  await mkdir(node.home, { recursive: true })
  const file = await open(join(node.home, name), 'w')
  await file.write(seed)
  await file.truncate(bytes)
  await file.close()
}
const share = async (name: string, bytes: number, ...nodes: RunningNode[]): Promise<void> => {
  const seed = randomBytes(1_000)
  for (const node of nodes) {
    await put(node, name, bytes, seed)
    await publish(node.url, name)
  }
  await until(
    () => catalogueOf(ana.url),
    ({ files }) => files.some((file) => file.names.includes(name) && file.holders.length === nodes.length),
  )
}
const hashOf = async (node: RunningNode, name: string): Promise<string> => {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(join(node.home, name))) hash.update(chunk)
  return hash.digest('hex')
}
const transfers = async (): Promise<readonly TransferAnswer[]> =>
  (await ask<{ transfers: TransferAnswer[] }>(ana.url, '/transfers')).transfers
const row = (page: Page, name: string): Locator => page.locator('#catalogue .rows > li', { hasText: name })
const job = (page: Page, name: string): Locator => page.locator('.jobs > li', { hasText: name })
const percent = async (place: Locator): Promise<number> => Number(await place.locator('progress').getAttribute('value'))
const violations = async (page: Page): Promise<string[]> => {
  await page.evaluate(`${axe.source}; undefined`)
  const { violations: found } = (await page.evaluate('axe.run({ resultTypes: ["violations"] })')) as axe.AxeResults
  return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
}
/** An id stands for one element: what is sent to it would go to another one. */
const TWICE = `[...document.querySelectorAll('[id]')].map(({ id }) => id).filter((id, at, all) => all.indexOf(id) !== at)`
const over = (page: Page): Promise<unknown> => page.evaluate('document.documentElement.scrollWidth - innerWidth')

test(
  'a file comes from two computers while the page shows it, is paused, kept over a reload, and opened',
  PATIENT,
  async () => {
    await share('film.mp4', 400 * MB, ben, chloe)
    const { page, complaints } = await openPage(browser, ana.url)
    await live(page)
    const film = row(page, 'film')
    const place = await film.getByRole('button').boundingBox()
    const began = performance.now()
    await film.getByRole('button', { name: 'Fetch film.mp4' }).click()
    await film.getByRole('button', { name: 'Pause film.mp4' }).waitFor()
    // With the click, the way there and back, and a machine that is busy.
    expect(performance.now() - began).toBeLessThan(2_000)
    expect(await page.locator('#moving').textContent()).toContain('1')

    const seen: number[] = []
    await until(
      async () => seen[seen.push(await percent(film)) - 1] ?? 0,
      (now) => now > 5,
      30_000,
    )
    // However fast this machine is, there is something left to pause.
    const givers = (signal: NodeJS.Signals): void => {
      for (const { pid } of [ben, chloe]) process.kill(-pid, signal)
    }
    onTestFinished(() => givers('SIGCONT'))
    givers('SIGSTOP')
    expect(seen).toEqual(seen.toSorted((a, b) => a - b))
    expect(await film.locator('.fact').textContent()).toMatch(/\d+ %, [\d.]+ MB\/s, \d+ seconds? left/)
    expect(await page.locator('#transfers').textContent()).toContain('1 moving')
    // The drawing moves once a second.
    await page.locator('.mesh .flow').first().waitFor({ state: 'attached', timeout: 5_000 })
    await page.waitForTimeout(NEW_WORD_MS)
    await film.getByRole('button', { name: 'Pause film.mp4' }).click()
    await film.getByText(/Paused at \d+ %/).waitFor()
    givers('SIGCONT')
    const paused = await percent(film)
    expect(paused).toBeGreaterThan(0)
    expect(await film.getByRole('button').boundingBox()).toEqual(place)
    expect((await film.boundingBox())?.height).toBe(60)

    await page.reload()
    await live(page)
    expect(await percent(film)).toBe(paused)
    await film.getByRole('button', { name: 'Resume film.mp4' }).click()
    await film.getByText('Here already').waitFor({ timeout: 120_000 })
    expect(await hashOf(ana, 'film.mp4')).toBe(await hashOf(ben, 'film.mp4'))
    await page.getByText(/film\.mp4 is here\. 400 MB from 2 computers\./).waitFor()
    expect(await film.getByRole('button').boundingBox()).toEqual(place)
    await page.waitForTimeout(NEW_WORD_MS)
    await film.getByRole('button', { name: 'Open film.mp4' }).click()
    await until(
      async () => await readFile(opened, 'utf8').catch(() => ''),
      (paths) => paths === `${join(ana.home, 'film.mp4')}\n`,
    )

    await page.getByRole('link', { name: 'Transfers' }).first().click()
    await page.getByRole('heading', { name: 'Done today' }).waitFor()
    const text = await job(page, 'film').textContent()
    for (const part of ['Complete and checked', 'Ben ', 'Chloé ']) expect(text).toContain(part)
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      job(page, 'film').getByRole('button', { name: 'Save a copy of film.mp4' }).click(),
    ])
    expect(download.suggestedFilename()).toBe('film.mp4')
    await download.cancel()
    expect(complaints).toEqual([])
  },
)

test('a double click fetches, and does not pause; the focus stays on the button', PATIENT, async () => {
  await share('double.mkv', 400 * MB, ben)
  const { page } = await openPage(browser, ana.url)
  await live(page)
  await row(page, 'double').getByRole('button').dblclick()
  // The third click comes when the button has its new word.
  await row(page, 'double').getByRole('button', { name: 'Pause double.mkv' }).click()
  await row(page, 'double').getByText('Here already').waitFor({ timeout: 120_000 })
  expect(await page.evaluate('document.activeElement.getAttribute("aria-label")')).toBe('Open double.mkv')
})

test('what is away is fetched when it is back; that can be undone, and needs no page', async () => {
  await share('geology.zip', 3 * MB, chloe)
  const hash = await hashOf(chloe, 'geology.zip')
  const { page, complaints } = await openPage(browser, ana.url)
  await live(page)
  await chloe.stop()
  const geology = row(page, 'geology')
  await geology.getByText('away since').waitFor()
  await page.waitForTimeout(NEW_WORD_MS)
  await geology.getByRole('button', { name: 'When back: fetch geology.zip when Chloé is back' }).click()
  await geology.getByText('Waiting for Chloé').waitFor()
  await page.waitForTimeout(NEW_WORD_MS)
  await geology.getByRole('button', { name: 'Cancel geology.zip' }).click()
  await geology.getByRole('button', { name: /^When back/ }).waitFor()
  await page.locator('.toast').getByRole('button', { name: 'Undo: fetch geology.zip again' }).click()
  await geology.getByText('Waiting for Chloé').waitFor()
  await page.goto('about:blank')
  chloe = await startNode({ ports, name: 'Chloé', home: chloe.home, cleanUp })
  await until(transfers, (all) => all[0]?.state === 'done', 30_000)
  expect(await hashOf(ana, 'geology.zip')).toBe(hash)
  await page.goto(ana.url)
  await geology.getByText('Here already').waitFor()
  expect(complaints).toEqual([])
})

describe('on the page of transfers', () => {
  test('cancelling asks first, deletes what arrived, and can be begun again', PATIENT, async () => {
    await share('thesis.zip', 1_000 * MB, ben)
    const { page, complaints } = await openPage(browser, `${ana.url}transfers`)
    await live(page)
    const [wanted] = (await catalogueOf(ana.url)).files.filter(({ names }) => names.includes('thesis.zip'))
    await fetch(`${ana.url}transfers`, { method: 'POST', body: new URLSearchParams({ root: wanted?.root ?? '' }) })
    const thesis = job(page, 'thesis')
    await thesis.getByRole('button', { name: 'Cancel thesis.zip' }).waitFor()
    await until(
      () => percent(thesis),
      (now) => now > 0,
    )
    await thesis.getByRole('button', { name: 'Cancel thesis.zip' }).click()
    const question = page.getByRole('dialog')
    await question.getByText('Cancel the fetch of thesis.zip?').waitFor()
    // It stays while the bar behind it moves on.
    const before = await percent(thesis)
    await until(
      () => percent(thesis),
      (now) => now > before,
    )
    expect(await question.isVisible()).toBe(true)
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Keep it')
    await page.keyboard.press('Enter')
    await question.waitFor({ state: 'hidden' })
    await thesis.getByRole('button', { name: 'Pause thesis.zip' }).click()
    await thesis.getByText('Paused').waitFor()
    await thesis.getByRole('button', { name: 'Cancel thesis.zip' }).click()
    await question.getByText(/^The [\d.]+ MB that arrived will be deleted/).waitFor()
    await question.getByRole('button', { name: 'Cancel and delete' }).click()
    await page.getByText('thesis.zip is cancelled. What had arrived was deleted.').waitFor()
    expect(await readdir(join(ana.home, '.portmesh', 'partial'))).toEqual([])
    await page.locator('.toast').getByRole('button', { name: 'Undo: fetch thesis.zip again' }).click()
    await thesis.getByRole('button', { name: 'Pause thesis.zip' }).waitFor()
    const [first] = await transfers()
    await ask(ana.url, `/transfers/${first?.id}/cancel`, 'POST')
    expect(complaints).toEqual([])
  })

  test(
    'a row keeps its place under the pointer when it is done, and goes to its group when the pointer leaves',
    PATIENT,
    async () => {
      await share('lecture.ogg', 300 * MB, ben)
      const { page } = await openPage(browser, `${ana.url}transfers`)
      await live(page)
      const [wanted] = (await catalogueOf(ana.url)).files.filter(({ names }) => names.includes('lecture.ogg'))
      await fetch(`${ana.url}transfers`, { method: 'POST', body: new URLSearchParams({ root: wanted?.root ?? '' }) })
      await page.locator('#jobs-moving').getByRole('link', { name: 'lecture' }).waitFor()
      await job(page, 'lecture').hover()
      const place = await job(page, 'lecture').boundingBox()
      await job(page, 'lecture').getByText('Complete and checked').waitFor({ timeout: 120_000 })
      expect((await job(page, 'lecture').boundingBox())?.y).toBe(place?.y)
      expect(await page.locator('#jobs-moving').getByRole('link', { name: 'lecture' }).count()).toBe(1)
      await page.mouse.move(5, 5)
      await page.locator('#jobs-today').getByRole('link', { name: 'lecture' }).waitFor()
      await page.getByText('Nothing is moving now.').waitFor()
    },
  )

  test('nothing breaks a rule of accessibility, and nothing has to be scrolled sideways', PATIENT, async () => {
    const [{ id = '' } = {}] = await transfers()
    for (const path of ['transfers', `transfers/${id}`]) {
      const { page } = await openPage(browser, ana.url + path)
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme })
        for (const width of [1280, 820, 390, 320]) {
          await page.setViewportSize({ width, height: 900 })
          expect(await page.evaluate(TWICE)).toEqual([])
          expect([path, colorScheme, width, await over(page), await violations(page)]).toEqual([
            path,
            colorScheme,
            width,
            0,
            [],
          ])
        }
      }
    }
  })
})

test('without JavaScript a file is fetched, looked after and saved', async () => {
  await share('plain.txt', 2 * MB, ben)
  const { page } = await openPage(browser, `${ana.url}?q=plain`, { javaScriptEnabled: false })
  await page.getByRole('button', { name: 'Fetch plain.txt' }).click()
  expect(page.url()).toMatch(/\?q=plain#row-[0-9a-f]{12}$/)
  await until(transfers, (all) => all[0]?.state === 'done')
  await page.goto(`${ana.url}transfers`)
  await job(page, 'plain').getByText('Complete and checked').waitFor()
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    job(page, 'plain').getByRole('button', { name: 'Save a copy of plain.txt' }).click(),
  ])
  expect((await readFile(await download.path())).equals(await readFile(join(ben.home, 'plain.txt')))).toBe(true)
})
