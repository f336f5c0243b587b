/** A real Chromium for tests of the pages: the system's own where there is one, else the one that comes as a package. */
import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { onTestFinished } from 'vitest'
import { until } from './api.ts'
import type { CleanUp } from './process.ts'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
const MAC = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'

/** What went wrong in a page while a test looked at it. */
export interface Watched {
  readonly page: Page
  /** Errors of scripts, and everything the Content-Security-Policy refused. */
  readonly complaints: string[]
}

/** Launch once for a file of tests; it is closed by `cleanUp`. */
export const launchBrowser = async (cleanUp: CleanUp = onTestFinished): Promise<Browser> => {
  // The browser's own sandbox cannot be set up by root.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : []
  const browser = await chromium.launch({ executablePath: (await installed()) ?? (await packaged()), args })
  cleanUp(() => browser.close())
  return browser
}

/** Open an address in a window of its own (no cookies, no cache), closed when the test ends. */
export const openPage = async (
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Watched> => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options })
  onTestFinished(() => context.close())
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('console', (message) => {
    if (/Content.Security.Policy|Refused to|violates/i.test(message.text())) complaints.push(message.text())
  })
  await page.goto(url)
  return { page, complaints }
}

/** Resolves when the page's stream is open: what happens from now on is seen. */
export const live = async (page: Page): Promise<void> => {
  await pageSays(page, 'document.getElementById("live")?._htmx?.sse?.status === 200')
}

/** Resolves when an expression is true in the page. (The page's own policy forbids what waitForFunction does with texts.) */
export const pageSays = async (page: Page, expression: string): Promise<void> => {
  await until(async () => await page.evaluate(expression).catch(() => false), Boolean)
}

const installed = async (): Promise<string | undefined> => {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean)
  for (const path of [...folders.flatMap((folder) => NAMES.map((name) => join(folder, name))), MAC]) {
    if (
      await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return path
  }
  return undefined
}

/** Without the arguments it brings along: a browser in one process dies with its first window. */
const packaged = async (): Promise<string> => {
  const { default: packed } = await import('@sparticuz/chromium')
  return await packed.executablePath()
}
