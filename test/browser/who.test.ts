/** Who is who, as a person does it: a name, a block, a warning, a mark; with script and without. */
import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import axe from 'axe-core'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { knownBy, knows, say } from '../helpers/acquainted.ts'
import { until } from '../helpers/api.ts'
import { launchBrowser, live, openPage } from '../helpers/browser.ts'
import { shared, startHolder } from '../helpers/holder-server.ts'
import { freePorts, type RunningNode, startNode } from '../helpers/process.ts'
import { startStranger } from '../helpers/stranger-server.ts'

const endings: (() => Promise<void>)[] = []
let browser: Browser

beforeAll(async () => {
  browser = await launchBrowser((work) => void endings.unshift(work))
})
afterAll(async () => {
  for (const end of endings) await end()
})

/** A node with two others: one that is called like a person’s computer, and one that lies about pieces. */
const setUp = async () => {
  const content = shared(randomBytes(300_000))
  const library = await startStranger({ name: 'ana on tower' })
  library.publish('theirs.txt', 'theirs')
  const emeka = await startHolder(content, { name: 'Emeka' })
  emeka.does.set('pieces', ({ send, pieces, run }) => send(pieces(run, { content: randomBytes(content.size) })))
  const [own = 0, free = 0] = await freePorts(2)
  const node = await startNode({ ports: [own, library.address, emeka.address, `127.0.0.1:${free}`] })
  for (const { id } of [library, emeka]) await knows(node.url, id, ({ alive }) => alive)
  return { node, library, emeka, content, free }
}

const violations = async (page: Page): Promise<string[]> => {
  await page.evaluate(`${axe.source}; undefined`)
  const { violations: found } = (await page.evaluate('axe.run({ resultTypes: ["violations"] })')) as axe.AxeResults
  return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
}

/** Wide and narrow, by day and by night: no rule broken, nothing to scroll sideways, every row of its height. */
const looksRight = async (page: Page, name: string): Promise<void> => {
  const shots = process.env.PORTMESH_SHOTS
  if (shots) await mkdir(shots, { recursive: true })
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    for (const width of [1280, 390, 320]) {
      await page.setViewportSize({ width, height: 900 })
      if (shots && width > 320) {
        await page.screenshot({ path: join(shots, `${name}-${colorScheme}-${width}.png`), fullPage: true })
      }
      const over = await page.evaluate('document.documentElement.scrollWidth - innerWidth')
      const heights = await page
        .locator('.rows > li')
        .evaluateAll((rows) => rows.map((row) => row.getBoundingClientRect().height))
      const wrong = heights.filter((height) => height !== (width === 1280 ? 60 : 68))
      expect([name, colorScheme, width, over, wrong, await violations(page)]).toEqual([
        name,
        colorScheme,
        width,
        0,
        [],
        [],
      ])
    }
  }
  await page.emulateMedia({ colorScheme: 'light' })
  await page.setViewportSize({ width: 1280, height: 900 })
}

const fieldOf = (page: Page) => page.getByLabel('Your name for this computer')

test('a name that a person gives is on every page at once, and goes when it is taken away', async () => {
  const { node, library } = await setUp()
  const { page: list } = await openPage(browser, `${node.url}nodes`)
  await live(list)
  const { page, complaints } = await openPage(browser, `${node.url}nodes/${library.id}`)
  await live(page)
  await fieldOf(page).fill('Library PC')
  await fieldOf(page).press('Enter')
  await page.getByRole('heading', { level: 1, name: 'Library PC' }).waitFor()
  await page.locator('.toast', { hasText: 'You call it Library PC' }).waitFor()
  await page.locator('#about', { hasText: 'ana on tower' }).waitFor()
  await list.getByRole('link', { name: 'Library PC', exact: true }).waitFor()
  const { page: home } = await openPage(browser, node.url)
  await home.locator('#mesh', { hasText: 'Library PC' }).waitFor()
  expect(await home.locator('#mesh').textContent()).not.toContain('ana on tower')
  await fieldOf(page).fill('')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('heading', { level: 1, name: 'ana on tower' }).waitFor()
  expect((await knownBy(node.url, library.id))?.petname).toBeNull()
  expect(complaints).toEqual([])
})

test('a name that is given already is refused with a sentence, and what was typed stays', async () => {
  const { node, library, emeka } = await setUp()
  await say(node.url, library.id, 'name', { name: 'Library PC' })
  const { page } = await openPage(browser, `${node.url}nodes/${emeka.id}`)
  await live(page)
  await fieldOf(page).fill('library pc')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('alert').filter({ hasText: 'You call another computer that already' }).waitFor()
  expect(await fieldOf(page).inputValue()).toBe('library pc')
})

test('a block empties the page, the list offers the way back, and Undo is one click', async () => {
  const { node, library } = await setUp()
  const { page, complaints } = await openPage(browser, `${node.url}nodes/${library.id}`)
  await live(page)
  await page.locator('#shared', { hasText: 'theirs' }).waitFor()
  await page.getByRole('button', { name: 'Block it: ana on tower' }).click()
  await page.locator('#notes', { hasText: 'You blocked it' }).waitFor()
  await page.locator('#shared .rows:not(:has(li:not(.gone)))').waitFor({ state: 'attached' })
  await looksRight(page, 'node-blocked')
  await page.locator('.toast').getByRole('button', { name: /^Undo/ }).click()
  await knows(node.url, library.id, ({ alive, blocked }) => alive && !blocked)
  await page.locator('#node', { hasText: 'Here now' }).waitFor()

  await say(node.url, library.id, 'block')
  await page.goto(`${node.url}nodes`)
  await live(page)
  await page.locator('#peers', { hasText: 'Blocked, gets nothing of yours' }).waitFor()
  await looksRight(page, 'nodes-blocked')
  await page.getByRole('button', { name: 'Unblock ana on tower' }).click()
  await page.locator('#peers:not(:has-text("Blocked"))').waitFor()
  await knows(node.url, library.id, ({ alive }) => alive)
  expect(complaints).toEqual([])
})

test('somebody else with a name the person has given is an alarm on every page, with both keys to compare', async () => {
  const { node, library, free } = await setUp()
  await say(node.url, library.id, 'name', { name: 'Library PC' })
  const { page, complaints } = await openPage(browser, node.url)
  await live(page)
  const pretender = await startStranger({ name: 'Library PC', port: free })
  const alarm = page.getByRole('alert').filter({ hasText: 'This is not the Library PC you met at' })
  await alarm.waitFor()
  expect(await alarm.textContent()).toContain(
    'It uses the same name with another key. Someone may be pretending. Nothing was sent to it.',
  )
  await looksRight(page, 'home-pretender')
  await alarm.getByRole('link', { name: 'Show Library PC' }).click()
  await page.waitForURL(`${node.url}nodes/${pretender.id}`)
  const { fingerprint } = await knows(node.url, library.id)
  const mine = await knows(node.url, pretender.id)
  expect(await page.locator('#notes dd').allTextContents()).toEqual([mine.fingerprint, fingerprint])
  await looksRight(page, 'node-pretender')
  await page.goto(`${node.url}nodes`)
  await page.locator('#peers', { hasText: 'Not the Library PC you know' }).waitFor()
  await looksRight(page, 'nodes-pretender')
  await page.goto(`${node.url}nodes/${pretender.id}`)
  await live(page)
  await page.getByRole('button', { name: 'Block it: Library PC' }).click()
  await page.locator('#notes', { hasText: 'You blocked it' }).waitFor()
  await page.goto(node.url)
  expect(await page.locator('#notes').isVisible()).toBe(false)
  expect(complaints).toEqual([])
})

test('who sent wrong pieces is marked until the person takes the mark away', async () => {
  const { node, emeka, content } = await setUp()
  await fetch(`${node.url}transfers`, { method: 'POST', body: new URLSearchParams({ root: content.root }) })
  await knows(node.url, emeka.id, ({ lied }) => lied !== null)
  const { page } = await openPage(browser, `${node.url}nodes/${emeka.id}`)
  await live(page)
  await page.locator('#notes', { hasText: 'It sent pieces that were not right' }).waitFor()
  await looksRight(page, 'node-lied')
  await page.getByRole('button', { name: 'Trust it again: Emeka' }).click()
  await page.locator('#notes[hidden]').waitFor({ state: 'attached' })
  expect((await knownBy(node.url, emeka.id))?.lied).toBeNull()
})

test('without script every one of these is a form that leads back', async () => {
  const { node, library } = await setUp()
  const { page } = await openPage(browser, `${node.url}nodes/${library.id}`, { javaScriptEnabled: false })
  await fieldOf(page).fill('Library PC')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('heading', { level: 1, name: 'Library PC' }).waitFor()
  await page.getByRole('button', { name: 'Block it: Library PC' }).click()
  await page.locator('#node', { hasText: 'Blocked' }).waitFor()
  expect(new URL(page.url()).pathname).toBe(`/nodes/${library.id}`)
  await page.goto(`${node.url}nodes`)
  await page.getByRole('button', { name: 'Unblock Library PC' }).click()
  await knows(node.url, library.id, ({ alive }) => alive)
  expect(new URL(page.url()).pathname).toBe('/nodes')
  await library.stop()
  await knows(node.url, library.id, ({ alive }) => !alive)
  await page.goto(`${node.url}nodes/${library.id}`)
  await page.getByRole('button', { name: 'Forget it: Library PC' }).click()
  await page.waitForURL(`${node.url}nodes`)
  expect(await page.locator('#peers').textContent()).not.toContain('Library PC')
})

test('forgetting one that is away leads to the list', async () => {
  const { node, library }: { node: RunningNode; library: { id: string; stop: () => Promise<void> } } = await setUp()
  await library.stop()
  await knows(node.url, library.id, ({ alive }) => !alive)
  const { page } = await openPage(browser, `${node.url}nodes/${library.id}`)
  await live(page)
  await page.getByRole('button', { name: 'Forget it: ana on tower' }).click()
  await page.waitForURL(`${node.url}nodes`)
  await until(
    () => knownBy(node.url, library.id),
    (node) => node === undefined,
  )
})
