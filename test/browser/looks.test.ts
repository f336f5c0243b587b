import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import axe from 'axe-core'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ask, catalogueOf, nodesOf, publish, until } from '../helpers/api.ts'
import { launchBrowser, live, openPage } from '../helpers/browser.ts'
import { type RunningNode, startMesh, startNode } from '../helpers/process.ts'

const LONG = `${'a name that goes on and on, '.repeat(8)}final`
const FILES = [
  'film.mp4',
  'setup.exe',
  '<img src=x onerror=alert(1)>',
  'جدول الأسبوع.pdf',
  `${LONG}.docx`,
  `${'unbroken'.repeat(25)}.zip`,
]

const endings: (() => Promise<void>)[] = []
const cleanUp = (work: () => Promise<void>): void => void endings.unshift(work)
let browser: Browser
let ana: RunningNode
let alone: RunningNode
let benId: string
let chloeId: string
let transferId: string

/** Ana has files in every state, Ben has published, Chloé has published and is away. */
beforeAll(async () => {
  browser = await launchBrowser(cleanUp)
  const [first, ben, chloe] = (await startMesh(3, { cleanUp, name: `A name ${'of some length '.repeat(3)}` })) as [
    RunningNode,
    RunningNode,
    RunningNode,
  ]
  ana = first
  alone = await startNode({ cleanUp })
  for (const name of FILES) {
    await writeFile(join(ben.home, name), name)
    await publish(ben.url, name)
  }
  await writeFile(join(chloe.home, 'away.zip'), 'away')
  await publish(chloe.url, 'away.zip')
  await mkdir(join(ana.home, 'album'))
  for (const name of ['mine.ods', 'changed.docx', 'private.mov', `album/${LONG}.flac`])
    await writeFile(join(ana.home, name), name)
  for (const name of ['mine.ods', 'changed.docx']) await publish(ana.url, name)
  await until(
    () => catalogueOf(ana.url),
    ({ total }) => total === FILES.length + 3,
  )
  await writeFile(join(ana.home, 'changed.docx'), 'other content')
  const idOf = async (node: RunningNode) => (await ask<{ id: string }>(node.url, '/')).id
  benId = await idOf(ben)
  chloeId = await idOf(chloe)
  await chloe.stop()
  await until(
    () => nodesOf(ana.url),
    (nodes) => nodes.some((node) => !node.alive),
  )
  // One is done, one waits, the others are as nobody had asked for them.
  for (const name of ['away.zip', 'film.mp4']) {
    const file = (await catalogueOf(ana.url)).files.find(({ names }) => names.includes(name))
    const body = new URLSearchParams({ root: file?.root ?? '' })
    transferId = ((await (await fetch(`${ana.url}transfers`, { method: 'POST', body })).json()) as { id: string }).id
  }
  await until(
    () => ask<{ state: string }>(ana.url, `/transfers/${transferId}`),
    ({ state }) => state === 'done',
  )
  await until(
    () => ask<{ files: { state: string }[] }>(ana.url, '/myfiles'),
    ({ files }) => files.some(({ state }) => state === 'changed'),
  )
})
afterAll(async () => {
  for (const end of endings) await end()
})

const PAGES = (): readonly (readonly [name: string, url: string])[] => [
  ['home', ana.url],
  ['nothing found', `${ana.url}?q=budgte`],
  ['my files', `${ana.url}myfiles`],
  ['transfers', `${ana.url}transfers`],
  ['a transfer', `${ana.url}transfers/${transferId}`],
  ['nodes', `${ana.url}nodes`],
  ['a node', `${ana.url}nodes/${benId}`],
  ['a node that is away', `${ana.url}nodes/${chloeId}`],
  ['help', `${ana.url}help`],
  ['question', `${ana.url}myfiles/${encodeURIComponent(`album/${LONG}.flac`)}/upload`],
  ['error', `${ana.url}nowhere`],
  ['welcome', alone.url],
]

const violations = async (page: Page): Promise<string[]> => {
  await page.evaluate(`${axe.source}; undefined`)
  const { violations: found } = (await page.evaluate('axe.run({ resultTypes: ["violations"] })')) as axe.AxeResults
  return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
}

test('no page breaks a rule of accessibility, by day and by night, wide and narrow', async () => {
  const { page, complaints } = await openPage(browser, ana.url)
  for (const [name, url] of PAGES()) {
    await page.goto(url)
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      for (const width of [1280, 390]) {
        await page.setViewportSize({ width, height: 900 })
        expect([name, colorScheme, width, await violations(page)]).toEqual([name, colorScheme, width, []])
      }
    }
  }
  expect(complaints).toEqual([])
})

test('what comes and goes on a page breaks none either', async () => {
  const { page } = await openPage(browser, `${ana.url}myfiles`)
  await live(page)
  await page.getByRole('button', { name: 'Unpublish mine.ods' }).click()
  await page.locator('.toast').waitFor()
  for (const id of ['stopped', 'sending', 'kept', 'drop'])
    await page.evaluate(`document.getElementById("${id}").hidden = false`)
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    expect([colorScheme, await violations(page)]).toEqual([colorScheme, []])
  }
  for (const width of [320, 1280]) {
    await page.setViewportSize({ width, height: 800 })
    for (const note of ['#sending', '#kept', '.toast', '#drop']) {
      const { x = -1, width: wide = 0 } = (await page.locator(note).boundingBox()) ?? {}
      expect([note, width, x >= 0, x + wide <= width]).toEqual([note, width, true, true])
    }
  }
  await page.locator('.toast').getByRole('button').click()
  await page.getByRole('button', { name: 'Unpublish mine.ods' }).waitFor()
})

test('nothing has to be scrolled sideways, and every row keeps its height', async () => {
  const { page } = await openPage(browser, ana.url)
  for (const [name, url] of PAGES()) {
    await page.goto(url)
    for (const [width, height] of [
      [320, 68],
      [390, 68],
      [700, 68],
      [820, 60],
      [1280, 60],
    ] as const) {
      await page.setViewportSize({ width, height: 800 })
      const over = await page.evaluate('document.documentElement.scrollWidth - innerWidth')
      const heights = await page
        .locator('.rows > li')
        .evaluateAll((rows) => rows.map((row) => row.getBoundingClientRect().height))
      expect([name, width, over, new Set(heights)]).toEqual([
        name,
        width,
        0,
        new Set(heights.length > 0 ? [height] : []),
      ])
    }
  }
})

test('a page is small', async () => {
  const { page } = await openPage(browser, 'about:blank')
  const bodies: Promise<Buffer>[] = []
  page.on('response', (response) => {
    if (response.headers()['content-type'] !== 'text/event-stream') bodies.push(response.body())
  })
  await page.goto(ana.url)
  await live(page)
  const bytes = (await Promise.all(bodies)).reduce((sum, body) => sum + body.length, 0)
  expect(bytes).toBeGreaterThan(50_000)
  expect(bytes).toBeLessThan(110_000)
})

test('the keyboard reaches everything in reading order, and says what it is on', async () => {
  const { page } = await openPage(browser, ana.url)
  const stops: string[] = []
  for (let step = 0; step < 13; step += 1) {
    await page.keyboard.press('Tab')
    stops.push(
      String(
        await page.evaluate(
          'document.activeElement.getAttribute("aria-label") || document.activeElement.labels?.[0]?.textContent.trim() || document.activeElement.textContent.trim()',
        ),
      ),
    )
  }
  expect(stops.slice(0, 9)).toEqual([
    'Skip to the page',
    'portmesh',
    'On the mesh',
    'My files',
    expect.stringMatching(/^Transfers/),
    'Nodes',
    'Help',
    'Publish files',
    expect.stringContaining('Search the mesh'),
  ])
  expect(stops.slice(9, 13)).toEqual(['All', 'Documents', 'Pictures', 'Video'])
})
