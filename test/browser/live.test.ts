import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { ask, catalogueOf, publish, until } from '../helpers/api.ts'
import { launchBrowser, live, openPage, pageSays } from '../helpers/browser.ts'
import { freePorts, type RunningNode, startMesh, startNode } from '../helpers/process.ts'

const endings: (() => Promise<void>)[] = []
const cleanUp = (work: () => Promise<void>): void => void endings.unshift(work)
let browser: Browser
let ana: RunningNode
let ben: RunningNode

beforeAll(async () => {
  browser = await launchBrowser(cleanUp)
  ;[ana, ben] = (await startMesh(2, { cleanUp })) as [RunningNode, RunningNode]
})
afterAll(async () => {
  for (const end of endings) await end()
})
beforeEach(async () => {
  for (const node of [ana, ben]) await ask(node.url, '/uploaded/clear', 'POST')
  await until(
    async () => (await catalogueOf(ana.url)).total + (await catalogueOf(ben.url)).total,
    (total) => total === 0,
  )
})

const put = (node: RunningNode, name: string, content = name): Promise<void> =>
  writeFile(join(node.home, name), content)
const row = (page: Page, name: string) => page.locator('#catalogue .rows > li', { hasText: name })
const names = (page: Page): Promise<string[]> => page.locator('#catalogue .rows .name').allTextContents()

/** Something is always shared, so that the page has its list. */
const shareOne = async (node: RunningNode, name = 'anchor.txt'): Promise<void> => {
  await put(node, name)
  await publish(node.url, name)
  for (const each of [ana, ben])
    await until(
      () => catalogueOf(each.url),
      ({ files }) => files.some((file) => file.names.includes(name)),
    )
}

test('a file is published on one page, appears on the other without a reload, and is fetched byte for byte', async () => {
  await shareOne(ana)
  const content = createHash('sha512').update('content').digest('hex').repeat(20_000)
  await put(ana, 'field trip.mp4', content)
  const theirs = await openPage(browser, ben.url)
  await live(theirs.page)
  const ours = await openPage(browser, `${ana.url}myfiles`)
  await ours.page.getByRole('button', { name: 'Publish field trip.mp4' }).click()
  await row(theirs.page, 'field trip').waitFor()
  expect(await ours.page.getByRole('button', { name: 'Unpublish field trip.mp4' }).textContent()).toContain('Unpublish')
  await theirs.page.getByRole('button', { name: 'Fetch field trip.mp4' }).click()
  await row(theirs.page, 'field trip').getByText('Here already').waitFor()
  expect(await readFile(join(ben.home, 'field trip.mp4'), 'utf8')).toBe(content)
  expect([...theirs.complaints, ...ours.complaints]).toEqual([])
})

test('a file called <img src=x onerror=alert(1)> is text on both pages', async () => {
  const nasty = '<img src=x onerror=alert(1)>'
  await shareOne(ana)
  await put(ana, nasty)
  const pages = [await openPage(browser, ana.url), await openPage(browser, ben.url)]
  for (const { page } of pages) {
    page.on('dialog', () => expect.unreachable('a script of a file name ran'))
    await live(page)
  }
  await publish(ana.url, nasty)
  for (const { page, complaints } of pages) {
    await row(page, nasty).waitFor()
    expect(await page.locator('main img').count()).toBe(0)
    expect(complaints).toEqual([])
  }
})

test('the page is live each of twenty times it is loaded', async () => {
  await shareOne(ana)
  await put(ana, 'again.txt')
  const { page } = await openPage(browser, ben.url)
  for (let time = 1; time <= 20; time += 1) {
    await page.goto(ben.url)
    await live(page)
  }
  await publish(ana.url, 'again.txt')
  await row(page, 'again').waitFor()
})

test('what is unpublished leaves the other page, and Undo brings it back', async () => {
  await shareOne(ana)
  await shareOne(ana, 'trip plan.pdf')
  const theirs = await openPage(browser, ben.url)
  await live(theirs.page)
  const { page } = await openPage(browser, ana.url)
  await live(page)
  await row(page, 'trip plan').getByRole('button').click()
  await row(theirs.page, 'trip plan').waitFor({ state: 'detached' })
  const toast = page.locator('.toast')
  expect(await toast.textContent()).toContain('trip plan.pdf is off the mesh. The file stays in your folder.')
  expect(await row(page, 'trip plan').getByRole('button').textContent()).toContain('Publish')
  await toast.getByRole('button', { name: 'Undo' }).click()
  await row(theirs.page, 'trip plan').waitFor()
  await toast.waitFor({ state: 'detached' })
  await row(page, 'trip plan').getByText('Yours').waitFor()
})

test('chosen files are added and published, and the same file can be chosen again', async () => {
  await shareOne(ben)
  const { page } = await openPage(browser, ana.url)
  await live(page)
  const chosen = { name: 'poster.pdf', mimeType: 'application/pdf', buffer: Buffer.from('the poster') }
  await page.setInputFiles('#pick', [chosen, { ...chosen, name: 'seating.pdf', buffer: Buffer.from('seats') }])
  await page.getByText(/2 files (published|are being prepared)/).waitFor()
  await row(page, 'poster').getByText('Yours').waitFor()
  expect(await readFile(join(ana.home, 'poster.pdf'), 'utf8')).toBe('the poster')
  await page.setInputFiles('#pick', [chosen])
  await page.getByText(/poster \(2\)\.pdf is (published|being prepared)/).waitFor()
  expect(page.url()).toBe(ana.url)
})

describe('while somebody is in the list', () => {
  test('by focus: the focus stays, nothing moves, and the new ones are offered', async () => {
    await shareOne(ana)
    await shareOne(ana, 'second.txt')
    await put(ana, 'third.txt')
    const { page } = await openPage(browser, ben.url)
    await live(page)
    await page.getByRole('button', { name: 'Fetch anchor.txt' }).focus()
    const before = await names(page)
    const place = await row(page, 'anchor').boundingBox()
    await publish(ana.url, 'third.txt')
    const pill = page.getByRole('link', { name: 'Show 1 new file' })
    await pill.waitFor()
    expect(await names(page)).toEqual(before)
    expect(await row(page, 'anchor').boundingBox()).toEqual(place)
    expect(await page.evaluate('document.activeElement.getAttribute("aria-label")')).toBe('Fetch anchor.txt')
    await pill.click()
    await row(page, 'third').waitFor()
    expect(await pill.isHidden()).toBe(true)
  })

  test('by pointer: what went away turns grey, loses its button, and goes when the pointer does', async () => {
    await shareOne(ana)
    await shareOne(ana, 'second.txt')
    const { page } = await openPage(browser, ben.url)
    await live(page)
    await row(page, 'anchor').hover()
    await ask(ana.url, '/myfiles/second.txt/clear', 'POST')
    await row(page, 'second').getByText('No longer shared').waitFor()
    expect(await row(page, 'second').locator('a, button').count()).toBe(0)
    expect(await row(page, 'second').getAttribute('class')).toContain('gone')
    const heights = await page
      .locator('#catalogue .rows > li')
      .evaluateAll((rows) => rows.map((each) => each.getBoundingClientRect().height))
    expect(heights).toEqual([60, 60])
    await page.mouse.move(5, 5)
    await row(page, 'second').waitFor({ state: 'detached' })
  })

  test('and a button that has just changed its word does not take a second click', async () => {
    await shareOne(ben)
    await put(ana, 'double.txt')
    const { page } = await openPage(browser, `${ana.url}myfiles`)
    await live(page)
    const button = page.locator('#files .rows > li', { hasText: 'double' }).getByRole('button')
    await button.click()
    await button.getByText('Unpublish').waitFor()
    await button.click()
    await page.waitForTimeout(300)
    expect((await catalogueOf(ana.url)).files.some((file) => file.names.includes('double.txt'))).toBe(true)
    await page.waitForTimeout(600)
    await button.click()
    await button.getByText('Publish', { exact: true }).waitFor()
    expect(await page.evaluate('document.activeElement.tagName')).toBe('BUTTON')
  })
})

test('the welcome becomes the list with the first file, also while a file is being chosen', async () => {
  const { page, complaints } = await openPage(browser, ana.url)
  await live(page)
  await page.getByRole('heading', { name: 'Nothing is shared here yet' }).waitFor()
  await page.evaluate('window.input = document.querySelector("#pick")')
  await put(ben, 'first.txt')
  await publish(ben.url, 'first.txt')
  await page.getByRole('heading', { name: 'On the mesh' }).waitFor()
  expect(await page.evaluate('window.input === document.querySelector("#pick")')).toBe(true)
  await page.setInputFiles('#pick', [{ name: 'mine too.txt', mimeType: 'text/plain', buffer: Buffer.from('mine') }])
  await live(page)
  await row(page, 'mine too').waitFor()
  await row(page, 'first').waitFor()
  expect(complaints).toEqual([])
})

test('searching follows the typing, keeps its address, and can be left by Back', async () => {
  await shareOne(ana, 'budget.ods')
  await shareOne(ana, 'song.flac')
  const { page } = await openPage(browser, ben.url)
  await live(page)
  await page.keyboard.press('/')
  await page.keyboard.type('budg')
  await row(page, 'song').waitFor({ state: 'detached' })
  expect([page.url(), await names(page)]).toEqual([`${ben.url}?q=budg`, ['budget.ods']])
  await page.keyboard.type('x')
  await page.getByText('Nothing fits “budgx”').waitFor()
  await page.keyboard.press('Escape')
  await row(page, 'song').waitFor()
  await page.getByRole('link', { name: 'Music' }).click()
  await row(page, 'budget').waitFor({ state: 'detached' })
  expect(page.url()).toBe(`${ben.url}?kind=music`)
  expect(await page.locator('#kinds [aria-current]').textContent()).toBe('Music')
  await live(page)
  await put(ana, 'second song.flac')
  await publish(ana.url, 'second song.flac')
  await page.mouse.move(5, 5)
  await row(page, 'second song').waitFor()
  await page.goBack()
  await row(page, 'budget').waitFor()
  expect(page.url()).toBe(ben.url)
  await page.selectOption('#sort', 'name')
  await page.waitForURL(`${ben.url}?sort=name`)
  expect(await names(page)).toEqual(['budget.ods', 'second song.flac', 'song.flac'])
})

test('a stopped node is said on its page, which goes on when it is back', async () => {
  const ports = await freePorts(1)
  const first = await startNode({ ports })
  const { page } = await openPage(browser, first.url)
  await live(page)
  await first.stop()
  await page.getByText('portmesh has stopped on this computer').waitFor()
  const again = await startNode({ ports, home: first.home })
  await page.getByText('portmesh has stopped on this computer').waitFor({ state: 'hidden' })
  await put(again, 'back.txt')
  await publish(again.url, 'back.txt')
  await row(page, 'back').waitFor()
})

test('a fifth open page takes the stream of the first, which then asks from time to time', async () => {
  await shareOne(ana)
  const first = await openPage(browser, ana.url)
  await live(first.page)
  for (let more = 0; more < 4; more += 1) await live((await openPage(browser, `${ana.url}nodes`)).page)
  await pageSays(first.page, 'document.getElementById("live").getAttribute("hx-get")?.includes("once=1")')
  expect(await first.page.locator('#stopped').isHidden()).toBe(true)
  // Its way back to a stream, without waiting for ten seconds.
  await first.page.context().browser()?.contexts().at(-1)?.close()
  await first.page.evaluate('htmx.trigger("#live", "every")')
  await live(first.page)
})

describe('without JavaScript', () => {
  const plain = { javaScriptEnabled: false }

  test('a file is chosen, published, found, fetched and taken out', async () => {
    const { page } = await openPage(browser, ana.url, plain)
    await page.setInputFiles('#pick', [{ name: 'plain.txt', mimeType: 'text/plain', buffer: Buffer.from('plain') }])
    await page.getByRole('button', { name: 'Send' }).click()
    await page.getByRole('heading', { name: 'On the mesh' }).waitFor()
    await until(
      () => catalogueOf(ben.url),
      ({ total }) => total === 1,
    )

    const theirs = await openPage(browser, ben.url, plain)
    await theirs.page.getByLabel('Search the mesh').fill('PLAIN')
    await theirs.page.keyboard.press('Enter')
    await theirs.page.getByRole('button', { name: 'Fetch plain.txt' }).click()
    await until(
      async () => await readFile(join(ben.home, 'plain.txt'), 'utf8').catch(() => ''),
      (text) => text === 'plain',
    )
    await theirs.page.selectOption('#sort', 'size')
    await theirs.page.getByRole('button', { name: 'Go' }).click()
    expect(theirs.page.url()).toContain('sort=size')

    await page.goto(`${ana.url}myfiles`)
    await page.getByRole('button', { name: 'Unpublish plain.txt' }).click()
    expect(page.url()).toMatch(/\/myfiles#my-\w+$/)
    await page.getByRole('button', { name: 'Publish plain.txt' }).click()
    await page.getByRole('link', { name: 'Unpublish all' }).click()
    await page.getByRole('button', { name: 'Unpublish all' }).click()
    expect(await page.getByText('none published').count()).toBe(1)
  })

  test('an address that changes something asks first', async () => {
    await put(ana, 'asked.txt')
    const { page } = await openPage(browser, `${ana.url}myfiles/asked.txt/upload`, plain)
    expect((await catalogueOf(ana.url)).total).toBe(0)
    await page.getByRole('button', { name: 'Publish' }).click()
    await until(
      () => catalogueOf(ana.url),
      ({ total }) => total === 1,
    )
    expect(page.url()).toMatch(/\/myfiles#my-\w+$/)
  })
})
