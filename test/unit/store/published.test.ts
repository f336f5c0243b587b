import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, open, rename, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { Reach } from '../../../src/store/reach.ts'
import { codeOf, put, type Store, startStore, until, vectorContent } from './fixture.ts'

const sha256 = (content: string | Uint8Array): string => createHash('sha256').update(content).digest('hex')

/** A file that takes a second or so to hash and no room on the disk. */
const large = async ({ folder }: Store, name: string, mebibytes = 512): Promise<void> => {
  const handle = await open(join(folder, name), 'w')
  await handle.truncate(mebibytes * 1_048_576)
  await handle.close()
}

const read = async ({ published }: Store, name: string): Promise<string> => {
  const served = await published.open(name)
  try {
    const into = new Uint8Array(served.file.size + 10)
    const bytes = await served.read(0, into)
    await served.check()
    return Buffer.from(into.subarray(0, bytes)).toString()
  } finally {
    await served.close()
  }
}

const stateOf = ({ published }: Store, name: string): string => published.stateOf(name).state

describe('publishing', () => {
  test('makes a private file one that is served, with the names of its content', async () => {
    const store = await startStore({ now: () => 1_800_000_000_123 })
    const content = vectorContent(40_000)
    await put(store.folder, 'album/01.flac', content)
    expect(store.published.stateOf('album/01.flac')).toEqual({ name: 'album/01.flac', state: 'private' })
    const file = await store.published.publish('album/01.flac')
    expect(file).toMatchObject({
      name: 'album/01.flac',
      size: 40_000,
      publishedMs: 1_800_000_000_123,
      reach: 'computer' as const,
    })
    expect(file.hash).toBe(sha256(content))
    expect(store.published.files().get('album/01.flac')).toBe(file)
    expect(store.published.byRoot(file.root)).toEqual([file])
    expect(store.published.byHash(file.hash)).toEqual([file])
    expect(store.published.byRoot(file.hash)).toEqual([])
    expect(store.published.entries()).toEqual([{ name: 'album/01.flac', state: 'published', file }])
    expect(Object.isFrozen(file)).toBe(true)
  })

  test('works with every name a disk can have', async () => {
    const store = await startStore()
    const names = [
      '<img src=x onerror=alert(1)>',
      '__proto__',
      'constructor',
      'a\\b',
      'é',
      'e\u0301',
      '\u202egpj.exe',
      '\n',
    ]
    for (const name of names) await put(store.folder, name, name)
    for (const name of names) await store.published.publish(name)
    for (const name of names) expect(await read(store, name)).toBe(name)
    expect([...store.published.files().keys()]).toEqual(names)
    expect(store.published.clear('__proto__')).toEqual(['__proto__'])
    expect(store.published.clear('toString')).toEqual([])
  })

  test('shows at once that it is being prepared, then how far it is, at most 4 times a second', async () => {
    const store = await startStore()
    await large(store, 'large')
    const seen: string[] = []
    store.news.on('files', () => {
      const { state, doneBytes = 0, totalBytes = 0 } = store.published.stateOf('large')
      seen.push(`${state} ${doneBytes > 0} ${totalBytes}`)
    })
    const began = performance.now()
    const publishing = store.published.publish('large')
    expect(seen).toEqual(['preparing false 0'])
    expect(store.published.stateOf('large')).toMatchObject({ state: 'preparing', startedMs: expect.any(Number) })
    expect(store.published.files().size).toBe(0)
    await publishing
    const seconds = (performance.now() - began) / 1000
    expect(seen.at(-1)).toBe('published false 0')
    expect(seen).toContain(`preparing true ${512 * 1_048_576}`)
    expect(seen.length).toBeLessThanOrEqual(4 * seconds + 3)
  })

  test('joins the one that runs, and is quick when nothing changed since', async () => {
    const store = await startStore()
    await large(store, 'large', 128)
    const [first, second] = await Promise.all([store.published.publish('large'), store.published.publish('large')])
    expect(second).toBe(first)
    let told = 0
    store.news.on('files', () => {
      if (stateOf(store, 'large') !== 'published') told++
    })
    expect(await store.published.publish('large')).toBe(first)
    expect(told).toBe(0)
  })

  test('does not read a content again that it hashed before', async () => {
    const store = await startStore()
    await large(store, 'large', 256)
    const first = await store.published.publish('large')
    store.published.clear('large')
    let read = 0
    store.news.on('files', () => {
      read = Math.max(read, store.published.stateOf('large').doneBytes ?? 0)
    })
    const again = await store.published.publish('large')
    expect(read).toBe(0)
    expect(again).toMatchObject({ hash: first.hash, root: first.root, size: first.size })
  })

  test('takes the new content of a file that changed, under a new object', async () => {
    const store = await startStore()
    await put(store.folder, 'file', 'one')
    const first = await store.published.publish('file')
    await sleep(30)
    await put(store.folder, 'file', 'two')
    const second = await store.published.publish('file')
    expect(second.hash).toBe(sha256('two'))
    expect(store.published.byHash(first.hash)).toEqual([])
    expect(await read(store, 'file')).toBe('two')
  })

  test('refuses what is no ordinary file of the home, and remembers nothing of it', async () => {
    const store = await startStore()
    await put(store.folder, 'file', '')
    await mkdir(join(store.folder, 'folder'))
    await symlink('file', join(store.folder, 'link'))
    await symlink('folder', join(store.folder, 'linked'))
    await put(store.folder, 'folder/file', '')
    execFileSync('mkfifo', [join(store.folder, 'pipe')])
    for (const name of ['folder', 'link', 'pipe', 'linked/file']) {
      expect(await codeOf(store.published.publish(name)), name).toBe('PM_NOT_A_FILE')
    }
    expect(await codeOf(store.published.publish('missing'))).toBe('PM_NO_SUCH_FILE')
    for (const name of ['', '..', '../x', '/etc/passwd', '.portmesh/identity.json', '.portmesh/state.db', '\ud800']) {
      expect(await codeOf(store.published.publish(name)), name).toBe('PM_BAD_NAME')
    }
    expect(store.published.entries()).toEqual([])
    expect(store.state.published.all()).toEqual([])
  })

  test('stops at the greatest number, which does not count those that are published already', async () => {
    const store = await startStore({ maxFiles: 2 })
    for (const name of ['a', 'b', 'c']) await put(store.folder, name, name)
    const [a, b, c] = ['a', 'b', 'c'].map((name) => store.published.publish(name))
    expect(await codeOf(c ?? Promise.resolve())).toBe('PM_TOO_MANY_FILES')
    await Promise.all([a, b])
    expect(await codeOf(store.published.publish('a'))).toBe('none')
    store.published.clear('b')
    expect(await codeOf(store.published.publish('c'))).toBe('none')
  })

  test('refuses a file that changes while it is read, and it is private as before', async () => {
    const store = await startStore()
    await large(store, 'large')
    const publishing = codeOf(store.published.publish('large'))
    await until(() => (store.published.stateOf('large').doneBytes ?? 0) > 0)
    await truncate(join(store.folder, 'large'), 1_000)
    expect(await publishing).toBe('PM_FILE_CHANGED')
    expect(stateOf(store, 'large')).toBe('private')
  })

  test('finds the same content under several names', async () => {
    const store = await startStore()
    for (const name of ['a', 'b']) await put(store.folder, name, 'same')
    const [a, b] = [await store.published.publish('a'), await store.published.publish('b')]
    expect(store.published.byRoot(a.root)).toEqual([a, b])
    store.published.clear('a')
    expect(store.published.byRoot(a.root)).toEqual([b])
    store.published.clear('b')
    expect(store.published.byRoot(a.root)).toEqual([])
  })

  test('hashes two at once, the others wait', async () => {
    const store = await startStore()
    const names = ['1', '2', '3', '4']
    for (const name of names) await large(store, name, 128)
    const busy = (): number => store.published.entries().filter(({ totalBytes }) => totalBytes !== undefined).length
    let most = 0
    store.news.on('files', () => {
      most = Math.max(most, busy())
    })
    const all = names.map((name) => store.published.publish(name))
    await until(() => busy() === 2)
    await Promise.all(all)
    expect(most).toBeLessThanOrEqual(2)
    expect(store.published.files().size).toBe(4)
  })
})

describe('clearing', () => {
  test('takes a file out at once and for good, and does not touch it', async () => {
    const store = await startStore()
    await put(store.folder, 'file', 'mine')
    await store.published.publish('file')
    let told = 0
    store.news.on('files', () => told++)
    expect(store.published.clear('file')).toEqual(['file'])
    expect(told).toBe(1)
    expect(store.published.files().size).toBe(0)
    expect(await codeOf(store.published.open('file'))).toBe('PM_NOT_PUBLISHED')
    expect(store.state.published.all()).toEqual([])
    expect((await store.home.stat('file')).size).toBe(4)
    expect(store.published.clear('file')).toEqual([])
    expect(told).toBe(1)
  })

  test('cancels what is being prepared, also when it waits, and it can be published anew at once', async () => {
    const store = await startStore()
    for (const name of ['1', '2', '3']) await large(store, name)
    const publishing = ['1', '2', '3'].map((name) => codeOf(store.published.publish(name)))
    await until(() => (store.published.stateOf('1').doneBytes ?? 0) > 0)
    const began = performance.now()
    expect(store.published.clearAll()).toEqual(['1', '2', '3'])
    expect(await Promise.all(publishing)).toEqual(['PM_CANCELLED', 'PM_CANCELLED', 'PM_CANCELLED'])
    expect(performance.now() - began).toBeLessThan(2_000)
    expect(store.published.entries()).toEqual([])
    await truncate(join(store.folder, '1'), 100)
    expect((await store.published.publish('1')).size).toBe(100)
    await sleep(50)
    expect(store.published.files().size).toBe(1)
  })

  test('stops serving what is open', async () => {
    const store = await startStore()
    await put(store.folder, 'file', 'mine')
    await store.published.publish('file')
    const served = await store.published.open('file')
    await served.check()
    store.published.clearAll()
    expect(await codeOf(served.check())).toBe('PM_NOT_PUBLISHED')
    await served.close()
  })
})

describe('serving', () => {
  test('reads any part, to the end and not further', async () => {
    const store = await startStore()
    const content = vectorContent(100_000)
    await put(store.folder, 'file', content)
    const file = await store.published.publish('file')
    const served = await store.published.open('file')
    expect(served.file).toBe(file)
    const into = new Uint8Array(60_000)
    expect(await served.read(0, into)).toBe(60_000)
    expect(into).toEqual(content.subarray(0, 60_000))
    expect(await served.read(60_000, into)).toBe(40_000)
    expect(into.subarray(0, 40_000)).toEqual(content.subarray(60_000))
    expect(await served.read(100_000, into)).toBe(0)
    await served.check()
    await served.close()
  })

  test.each<[string, (path: string, folder: string) => Promise<unknown>]>([
    ['written to', (path) => writeFile(path, 'two')],
    ['written to, with its time put back', (path) => writeFile(path, 'two').then(() => utimes(path, 1_000, 1_000))],
    ['cut', (path) => truncate(path, 1)],
    ['grown', (path) => writeFile(path, 'x', { flag: 'a' })],
    ['replaced', (path) => writeFile(`${path}2`, 'two').then(() => rename(`${path}2`, path))],
    ['removed', (path) => rm(path)],
    ['replaced by a folder', (path) => rm(path).then(() => mkdir(path))],
    [
      'replaced by a link to the same content',
      (path) => rename(path, `${path}2`).then(() => symlink(`${path}2`, path)),
    ],
    [
      'now behind a linked folder',
      async (_path, folder) => {
        await rename(join(folder, 'sub'), join(folder, 'moved'))
        await symlink('moved', join(folder, 'sub'))
      },
    ],
  ])('never gives bytes of a file that was %s', async (_what, change) => {
    const store = await startStore()
    const path = await put(store.folder, 'sub/file', 'one')
    await utimes(path, 1_000, 1_000)
    await store.published.publish('sub/file')
    let told = 0
    store.news.on('files', () => told++)
    await change(path, store.folder)
    expect(await codeOf(store.published.open('sub/file'))).toBe('PM_FILE_CHANGED')
    expect(stateOf(store, 'sub/file')).toBe('changed')
    expect(store.published.files().size).toBe(0)
    expect(told).toBe(1)
    expect(await codeOf(store.published.open('sub/file'))).toBe('PM_FILE_CHANGED')
    expect(told).toBe(1)
  })

  test.each<[string, (path: string) => Promise<unknown>]>([
    ['written to', (path) => writeFile(path, 'two')],
    ['written to, with its time put back', (path) => writeFile(path, 'two').then(() => utimes(path, 1_000, 1_000))],
    ['cut', (path) => truncate(path, 1)],
    ['replaced', (path) => writeFile(`${path}2`, 'two').then(() => rename(`${path}2`, path))],
  ])('notices that an open file was %s', async (_what, change) => {
    const store = await startStore()
    const path = await put(store.folder, 'file', 'one')
    await utimes(path, 1_000, 1_000)
    await store.published.publish('file')
    const served = await store.published.open('file')
    const into = new Uint8Array(3)
    await served.read(0, into)
    await served.check()
    await change(path)
    const read = async (): Promise<void> => {
      await served.read(0, into)
      await served.check()
    }
    expect(await codeOf(read())).toBe('PM_FILE_CHANGED')
    expect(stateOf(store, 'file')).toBe('changed')
    await served.close()
  })

  test('does not take a file back that was published anew while an old reader was busy', async () => {
    const store = await startStore()
    await put(store.folder, 'file', 'one')
    await store.published.publish('file')
    const served = await store.published.open('file')
    await sleep(30)
    await put(store.folder, 'file', 'two')
    await store.published.publish('file')
    expect(await codeOf(served.check())).not.toBe('none')
    await served.close()
    expect(stateOf(store, 'file')).toBe('published')
    expect(await read(store, 'file')).toBe('two')
  })

  test('does not take the same content back that was published anew after it was touched', async () => {
    const store = await startStore()
    const path = await put(store.folder, 'file', 'one')
    const file = await store.published.publish('file')
    const served = await store.published.open('file')
    await utimes(path, 1_000, 1_000)
    expect(await store.published.publish('file')).toBe(file)
    expect(await codeOf(served.check())).toBe('PM_FILE_CHANGED')
    await served.close()
    expect(stateOf(store, 'file')).toBe('published')
    expect(await read(store, 'file')).toBe('one')
  })

  test('serves nothing that was never published', async () => {
    const store = await startStore()
    await put(store.folder, 'file', 'mine')
    for (const name of ['file', 'missing', '', '../x', '.portmesh/state.db', '__proto__', 'toString']) {
      expect(await codeOf(store.published.open(name)), name).toBe('PM_NOT_PUBLISHED')
    }
    await large(store, 'large', 128)
    const publishing = store.published.publish('large')
    expect(await codeOf(store.published.open('large'))).toBe('PM_NOT_PUBLISHED')
    await publishing
  })
})

describe('looking after the published files', () => {
  const changedOnDisk = async (store: Store): Promise<void> => {
    await put(store.folder, 'changed', 'other content')
    await rm(join(store.folder, 'gone'))
  }

  test('marks what changed or vanished, tells it once, and keeps the rest as it is', async () => {
    const store = await startStore()
    for (const name of ['same', 'changed', 'gone']) await store.published.publish(await named(store, name))
    const same = store.published.files().get('same')
    let told = 0
    store.news.on('files', () => told++)
    await store.published.check()
    expect(told).toBe(0)
    await changedOnDisk(store)
    await store.published.check()
    expect(told).toBe(1)
    expect([...store.published.files().values()]).toEqual([same])
    expect(store.published.files().get('same')).toBe(same)
    expect(stateOf(store, 'changed')).toBe('changed')
    expect(store.published.stateOf('gone')).toMatchObject({ state: 'changed', file: { name: 'gone' } })
    await store.published.check()
    expect(told).toBe(1)
    expect(store.published.clear('gone')).toEqual(['gone'])
  })

  test('hashes again what may be the same, once it lies still, and serves it as before', async () => {
    const store = await startStore()
    const path = await put(store.folder, 'file', 'one')
    const file = await store.published.publish('file')
    await sleep(30)
    await utimes(path, 1_000, 1_000)
    await store.published.check()
    expect(stateOf(store, 'file')).toBe('changed')
    await store.published.check()
    await until(() => stateOf(store, 'file') === 'published')
    expect(store.published.files().get('file')).toBe(file)
    expect(await read(store, 'file')).toBe('one')
  })

  test('hashes other content of the same length once and leaves it to the person', async () => {
    const store = await startStore()
    await put(store.folder, 'file', 'one')
    await store.published.publish('file')
    await sleep(30)
    await put(store.folder, 'file', 'two')
    let preparing = 0
    store.news.on('files', () => {
      if (stateOf(store, 'file') === 'preparing') preparing++
    })
    for (let round = 0; round < 6; round++) {
      await store.published.check()
      await until(() => stateOf(store, 'file') === 'changed')
    }
    // Once for its begin, once for its progress of nothing.
    expect(preparing).toBeLessThanOrEqual(2)
    expect(preparing).toBeGreaterThan(0)
    expect((await store.published.publish('file')).hash).toBe(sha256('two'))
  })

  test('is cheap for 10,000 files', async () => {
    const store = await startStore()
    const names = Array.from({ length: 10_000 }, (_, i) => `album ${i % 20}/track ${i}`)
    for (const name of names.slice(0, 20)) await put(store.folder, name, '')
    for (let batch = 0; batch < 100; batch++) {
      await Promise.all(
        names.slice(batch * 100, batch * 100 + 100).map((name) => writeFile(join(store.folder, name), '')),
      )
    }
    const hash = sha256('')
    store.state.published.put(
      names.map((name) => ({ name, size: 0, hash, root: hash, publishedMs: 1, reach: 'computer' as const })),
    )
    for await (const [name, stamp] of store.home.stamps(names)) {
      if (stamp) store.state.cache.put([{ name, stamp, hash, root: hash }])
    }
    const began = performance.now()
    const { published } = await store.restart()
    const started = performance.now()
    expect(published.files().size).toBe(10_000)
    await published.check()
    expect(published.files().size).toBe(10_000)
    // About 300 and 100 ms alone on a machine.
    expect(started - began).toBeLessThan(10_000)
    expect(performance.now() - started).toBeLessThan(5_000)
  })

  test('ends when it is told to', async () => {
    const store = await startStore()
    for (let i = 0; i < 3; i++) await store.published.publish(await named(store, `${i}`))
    const abort = AbortSignal.abort(new Error('enough'))
    for (let i = 0; i < 3; i++)
      await store.published.check(abort).catch((error: Error) => expect(error.message).toBe('enough'))
  })
})

const named = async (store: Store, name: string): Promise<string> => {
  await put(store.folder, name, name)
  return name
}

describe('a restart', () => {
  test('publishes at once what is still the same, without reading it', async () => {
    const store = await startStore()
    await large(store, 'large', 256)
    const file = await store.published.publish('large')
    const again = await store.restart()
    expect(again.published.files().get('large')).toEqual(file)
    expect(again.published.byRoot(file.root)).toHaveLength(1)
  })

  test('reads again what may be the same, and publishes only what is', async () => {
    const store = await startStore()
    for (const name of ['touched', 'edited', 'grown', 'gone', 'replaced']) await put(store.folder, name, 'one')
    for (const name of ['touched', 'edited', 'grown', 'gone', 'replaced']) await store.published.publish(name)
    const { file } = store.published.stateOf('touched')
    await store.published.stop()
    await sleep(30)
    await utimes(join(store.folder, 'touched'), 1_000, 1_000)
    await put(store.folder, 'edited', 'two')
    await put(store.folder, 'grown', 'more than before')
    await rm(join(store.folder, 'gone'))
    await put(store.folder, 'new', 'one')
    await rename(join(store.folder, 'new'), join(store.folder, 'replaced'))
    const again = await store.restart()
    await until(() => again.published.entries().every(({ state }) => state !== 'preparing'))
    expect([...again.published.files().keys()].sort()).toEqual(['replaced', 'touched'])
    expect(again.published.files().get('touched')).toEqual(file)
    for (const name of ['edited', 'grown', 'gone']) expect(stateOf(again, name), name).toBe('changed')
    expect(again.state.published.all()).toHaveLength(5)
  })

  test('finds a file again that comes back as it was, and one that the cache knows to be another', async () => {
    const store = await startStore()
    await put(store.folder, 'away', 'one')
    await put(store.folder, 'edited', 'one')
    for (const name of ['away', 'edited']) await store.published.publish(name)
    await store.published.stop()
    await rename(join(store.folder, 'away'), join(store.folder, '.hidden'))
    await sleep(30)
    await put(store.folder, 'edited', 'two')
    const second = await store.restart()
    await until(() => stateOf(second, 'edited') === 'changed')
    const third = await second.restart()
    await until(() => stateOf(third, 'edited') === 'changed')
    expect(stateOf(third, 'away')).toBe('changed')
    await rename(join(store.folder, '.hidden'), join(store.folder, 'away'))
    await third.published.check()
    await third.published.check()
    await until(() => stateOf(third, 'away') === 'published')
    expect(await read(third, 'away')).toBe('one')
  })

  test('ends what is being hashed, and the set stays as it was', async () => {
    const store = await startStore()
    await store.published.publish(await named(store, 'file'))
    await large(store, 'large', 4_096)
    const publishing = codeOf(store.published.publish('large'))
    await until(() => (store.published.stateOf('large').doneBytes ?? 0) > 0)
    const began = performance.now()
    await store.published.stop()
    expect(performance.now() - began).toBeLessThan(2_000)
    let idle = false
    void store.hasher.idle().then(() => {
      idle = true
    })
    await new Promise((resolve) => setImmediate(resolve))
    expect(idle).toBe(true)
    expect(await publishing).toBe('PM_STOPPING')
    expect(await codeOf(store.published.publish('file'))).toBe('PM_STOPPING')
    const again = await store.restart()
    expect([...again.published.files().keys()]).toEqual(['file'])
  })

  test('lets a person publish what it is just reading again, whatever is in it now', async () => {
    const store = await startStore()
    await large(store, 'large', 256)
    await store.published.publish('large')
    await store.published.stop()
    const handle = await open(join(store.folder, 'large'), 'r+')
    await handle.write('changed')
    await handle.close()
    const again = await store.restart()
    expect(stateOf(again, 'large')).toBe('preparing')
    const file = await again.published.publish('large')
    expect(file.hash).not.toBe(store.published.stateOf('large').file?.hash)
    expect(again.published.files().get('large')).toBe(file)
    expect(again.state.published.all()).toEqual([file])
  })
})

describe('how far a file is seen', () => {
  test('is the usual at first, changes by a word, and survives a new content and a restart', async () => {
    let usual: Reach = 'computer'
    const store = await startStore({ usualReach: () => usual })
    await put(store.folder, 'a', '1')
    await put(store.folder, 'b', '2')
    expect((await store.published.publish('a')).reach).toBe('computer')
    usual = 'network'
    expect((await store.published.publish('b')).reach).toBe('network')
    expect([...store.published.files('network').keys()]).toEqual(['b'])
    expect([...store.published.files().keys()]).toEqual(['a', 'b'])
    expect(store.published.show(['a', 'b', 'none'], 'network')).toEqual(['a'])
    expect([...store.published.files('network').keys()].sort()).toEqual(['a', 'b'])
    expect(store.published.show(['b'], 'computer')).toEqual(['b'])
    await put(store.folder, 'b', 'two')
    expect((await store.published.publish('b')).reach).toBe('computer')
    const { published } = await store.restart()
    expect([...published.files('network').keys()]).toEqual(['a'])
  })
})
