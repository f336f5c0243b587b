import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Browser, CDPSession, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ask, until } from '../helpers/api.ts'
import { launchBrowser, live, openPage } from '../helpers/browser.ts'
import { type RunningNode, startNode, tempDir } from '../helpers/process.ts'

const endings: (() => Promise<void>)[] = []
const cleanUp = (work: () => Promise<void>): void => void endings.unshift(work)
let browser: Browser
let node: RunningNode

beforeAll(async () => {
  browser = await launchBrowser(cleanUp)
  node = await startNode({ cleanUp })
})
afterAll(async () => {
  for (const end of endings) await end()
})

type Step = 'dragEnter' | 'dragOver' | 'drop'

/** As a person does with a file manager: real files, real folders. */
const sessions = new WeakMap<Page, CDPSession>()
const drag = async (page: Page, files: readonly string[], ...steps: readonly Step[]): Promise<void> => {
  const session = sessions.get(page) ?? (await page.context().newCDPSession(page))
  sessions.set(page, session)
  for (const type of steps) {
    const data = { items: [], files: [...files], dragOperationsMask: 1 }
    await session.send('Input.dispatchDragEvent', { type, x: 600, y: 500, data })
  }
}

const states = async (): Promise<Record<string, string>> => {
  const { files } = await ask<{ files: { name: string; state: string }[] }>(node.url, '/myfiles?size=1000')
  return Object.fromEntries(files.map(({ name, state }) => [name, state]))
}

test('files and folders dropped anywhere are added with their folders, and published when the person says so', async () => {
  const folder = await tempDir()
  await mkdir(join(folder, 'album', 'cover'), { recursive: true })
  await mkdir(join(folder, 'empty'))
  for (const name of ['plan.txt', 'album/01.flac', 'album/cover/front.png', 'album/.DS_Store'])
    await writeFile(join(folder, name), name)
  const { page, complaints } = await openPage(browser, node.url)
  await live(page)
  const dropped = ['plan.txt', 'album', 'empty'].map((name) => join(folder, name))
  await drag(page, dropped, 'dragEnter', 'dragOver')
  await page.getByText('Drop to add to your folder').waitFor()
  await drag(page, dropped, 'drop')
  await page.locator('#kept').getByText('3 files are in your folder, still private').waitFor()
  expect(await page.locator('#drop').isHidden()).toBe(true)
  expect(await states()).toMatchObject({ 'plan.txt': 'private', 'album/01.flac': 'private' })
  expect(await readFile(join(node.home, 'album', 'cover', 'front.png'), 'utf8')).toBe('album/cover/front.png')
  expect(Object.keys(await states()).some((name) => name.includes('DS_Store'))).toBe(false)

  await page.getByRole('button', { name: 'Publish 3 files' }).click()
  await page.getByText(/3 files (published|are being prepared)/).waitFor()
  await page.locator('#kept').waitFor({ state: 'hidden' })
  await until(states, (all) =>
    ['plan.txt', 'album/01.flac', 'album/cover/front.png'].every((name) => all[name] === 'published'),
  )
  await page.locator('#catalogue').getByText('Yours').first().waitFor()
  expect(complaints).toEqual([])
})

test('what is kept private stays private, and what comes meanwhile is asked about together', async () => {
  const folder = await tempDir()
  for (const name of ['one <b>.txt', 'two.txt']) await writeFile(join(folder, name), name)
  const { page } = await openPage(browser, `${node.url}myfiles`)
  await live(page)
  await drag(page, [join(folder, 'one <b>.txt')], 'dragEnter', 'drop')
  await page.locator('#kept').getByText('one _b_.txt is in your folder, still private').waitFor()
  await page.setInputFiles('#add', join(folder, 'two.txt'))
  await page.locator('#kept').getByText('2 files are in your folder, still private').waitFor()
  await page.locator('#files').getByText('two').waitFor()
  await page.getByRole('button', { name: 'Keep private' }).click()
  expect(await page.locator('#kept').isHidden()).toBe(true)
  expect(await states()).toMatchObject({ 'one _b_.txt': 'private', 'two.txt': 'private' })
  await page.setInputFiles('#pick', join(folder, 'two.txt'))
  await page.getByText(/two \(2\)\.txt is (published|being prepared)/).waitFor()
  expect(await states()).toMatchObject({ 'two.txt': 'private' })
})

test('what is dragged away again, and what is no file, changes nothing', async () => {
  const folder = await tempDir()
  await writeFile(join(folder, 'away.txt'), 'away')
  const { page } = await openPage(browser, node.url)
  await drag(page, [join(folder, 'away.txt')], 'dragEnter', 'dragOver')
  await page.locator('#drop').waitFor()
  const leave = (where: string) =>
    page.evaluate(`${where}.dispatchEvent(new DragEvent('dragleave', { bubbles: true }))`)
  await leave('document.body')
  expect(await page.locator('#drop').isVisible()).toBe(true)
  await leave('document.elementFromPoint(600, 500)')
  await page.locator('#drop').waitFor({ state: 'hidden' })
  await drag(page, [], 'dragEnter', 'dragOver', 'drop')
  expect(await page.locator('#drop').isHidden()).toBe(true)
  expect(await states()).not.toHaveProperty('away.txt')
})

test('a large file shows how far it is, and can be stopped; nothing of it is kept', async () => {
  const folder = await tempDir()
  await writeFile(join(folder, 'large.bin'), Buffer.alloc(600_000_000))
  const { page } = await openPage(browser, `${node.url}myfiles`)
  await live(page)
  // A slow line: the whole would take a minute.
  const session = await page.context().newCDPSession(page)
  await session.send('Network.enable')
  await session.send('Network.emulateNetworkConditions', {
    offline: false,
    latency: 0,
    downloadThroughput: -1,
    uploadThroughput: 10_000_000,
  })
  await drag(page, [join(folder, 'large.bin')], 'dragEnter', 'drop')
  await page.getByText(/Adding large\.bin, [1-9]\d? %/).waitFor()
  expect(await page.getByRole('progressbar', { name: 'Adding files' }).getAttribute('value')).not.toBe('0')
  await page.getByRole('button', { name: 'Stop' }).click()
  await page.locator('#sending').waitFor({ state: 'hidden' })
  expect(await page.locator('.toast').count()).toBe(0)
  expect(await states()).not.toHaveProperty('large.bin')
})

test('what cannot be read or kept is said, and holds up nothing else', async () => {
  const folder = await tempDir()
  await mkdir(join(folder, 'mixed'))
  await writeFile(join(folder, 'mixed', 'fine.txt'), 'fine')
  await symlink('/nowhere/at/all', join(folder, 'mixed', 'broken'))
  const { page } = await openPage(browser, node.url)
  await live(page)
  await page.route('**/myfiles', async (route) => {
    if (route.request().method() !== 'POST' || !route.request().postData()?.includes('full.iso'))
      return await route.fallback()
    await route.fulfill({ status: 507, json: { error: { code: 'PM_DISK_FULL', message: 'the disk is full' } } })
  })
  await writeFile(join(folder, 'full.iso'), 'full')
  await writeFile(join(folder, 'after.txt'), 'after')
  await drag(
    page,
    ['mixed', 'full.iso', 'after.txt'].map((name) => join(folder, name)),
    'dragEnter',
    'drop',
  )
  await page.getByText('full.iso and 1 other were not added: the disk is full.').waitFor()
  await page.locator('#kept').getByText('fine.txt is in your folder, still private').waitFor()
  await drag(page, [join(folder, 'nothing')], 'dragEnter', 'drop')
  expect(Object.keys(await states())).not.toContain('after.txt')
})
