import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { publish } from '../helpers/api.ts'
import { launchBrowser, live, pageSays } from '../helpers/browser.ts'
import { type RunningNode, startNode } from '../helpers/process.ts'

const endings: (() => Promise<void>)[] = []
const cleanUp = (work: () => Promise<void>): void => void endings.unshift(work)
let browser: Browser

beforeAll(async () => {
  browser = await launchBrowser(cleanUp)
})
afterAll(async () => {
  for (const end of endings) await end()
})

const share = async (node: RunningNode, name: string): Promise<void> => {
  await writeFile(join(node.home, name), name)
  await publish(node.url, name)
}

/** Tabs of one window: they share the six connections that a browser opens to a node. */
const oneWindow = async (): Promise<BrowserContext> => {
  const context = await browser.newContext()
  onTestFinished(() => context.close())
  return context
}

const openTab = async (context: BrowserContext, url: string): Promise<Page> => {
  const page = await context.newPage()
  await page.goto(url, { timeout: 5_000 })
  return page
}

/** What a browser does with a tab that is left or come back to. */
const hide = (page: Page, hidden: boolean): Promise<unknown> =>
  page.evaluate(`
    Object.defineProperty(document, 'hidden', { configurable: true, value: ${hidden} })
    document.dispatchEvent(new Event('visibilitychange'))
  `)
const streams = 'document.getElementById("live")?.hasAttribute("hx-sse:connect")'

test('seven tabs of one node all load and all work', async () => {
  const node = await startNode()
  await share(node, 'anchor.txt')
  const context = await oneWindow()
  const tabs: Page[] = []
  for (let number = 1; number <= 7; number += 1) {
    const tab = await openTab(context, node.url)
    await live(tab)
    tabs.push(tab)
  }
  expect(await Promise.all(tabs.map((tab) => tab.evaluate(streams)))).toEqual([
    false,
    false,
    false,
    true,
    true,
    true,
    true,
  ])
  await share(node, 'news.txt')
  for (const tab of tabs.slice(3)) await tab.locator('#catalogue').getByText('news').waitFor()
  // The others ask from time to time; here without waiting for it.
  await tabs[0]?.evaluate('htmx.trigger("#live", "every")')
  await tabs[0]?.locator('#catalogue').getByText('news').waitFor()
  expect(await tabs[0]?.locator('#stopped').isHidden()).toBe(true)
})

test('a hidden tab gives its stream back, and is up to date when it is shown again', async () => {
  const node = await startNode()
  await share(node, 'anchor.txt')
  const context = await oneWindow()
  const first = await openTab(context, node.url)
  await live(first)
  await hide(first, true)
  for (let more = 1; more <= 4; more += 1) await live(await openTab(context, node.url))
  await share(node, 'meanwhile.txt')
  // Nobody had to make room: the first tab has not been told to ask instead.
  expect(await Promise.all(context.pages().map((tab) => tab.evaluate(streams)))).toEqual(Array(5).fill(true))
  expect(await first.locator('#catalogue').getByText('meanwhile').count()).toBe(0)
  await context.pages().at(-1)?.close()
  await hide(first, false)
  await first.locator('#catalogue').getByText('meanwhile').waitFor()
  await pageSays(first, 'document.getElementById("stopped").hidden')
})

test.each(['SIGTERM', 'SIGINT'] as const)(
  'a node with four pages open stops cleanly within five seconds after %s',
  async (signal) => {
    const node = await startNode()
    await share(node, 'anchor.txt')
    const context = await oneWindow()
    for (const path of ['', 'myfiles', 'nodes', '']) await live(await openTab(context, node.url + path))
    const begin = performance.now()
    expect(await node.stop(signal)).toEqual({ code: 0, signal: null })
    expect(performance.now() - begin).toBeLessThan(5_000)
    for (const tab of context.pages()) await tab.getByText('portmesh has stopped on this computer').waitFor()
    expect(node.stderr()).toBe('')
  },
)
