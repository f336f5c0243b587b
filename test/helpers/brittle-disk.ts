/** A disk that turns read-only under whoever writes on it, as systems do to disks that fail: a file system in a file. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { onTestFinished } from 'vitest'
import { canMount } from './faults.ts'
import { tempDir } from './process.ts'

export interface BrittleDisk {
  readonly folder: string
  /** From now on every write answers EROFS, also in files that are open. */
  readonly fail: () => void
  /** Unmount and mount again, as a person would; nobody may have a file open there. */
  readonly mend: () => void
}

const done = (command: string, ...words: string[]): void => {
  const { status, stderr } = spawnSync(command, words, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${words.join(' ')}: ${stderr}`)
}

/** Where the kernel takes an error for that file system; only root finds it, and only where it is built in. */
const triggerOf = (folder: string): string => {
  const mounts = readFileSync('/proc/mounts', 'utf8').split('\n')
  const [device = ''] = mounts.findLast((line) => line.split(' ')[1] === folder)?.split(' ') ?? []
  return join('/sys/fs/ext4', basename(device), 'trigger_fs_error')
}

const mountImage = (image: string, folder: string): void => done('mount', '-o', 'loop,errors=remount-ro', image, folder)

/** Ask `canFail` before. Gone when the test ends. */
export const brittleDisk = async (megabytes: number): Promise<BrittleDisk> => {
  const [image, folder] = [join(await tempDir(), 'image'), await tempDir()]
  await writeFile(image, '')
  await truncate(image, megabytes * 1024 * 1024)
  done('mkfs.ext4', '-q', image)
  mountImage(image, folder)
  onTestFinished(() => void spawnSync('umount', ['--lazy', folder]))
  return {
    folder,
    fail: () => writeFileSync(triggerOf(folder), 'test'),
    mend: () => {
      done('umount', folder)
      mountImage(image, folder)
    },
  }
}

/** Lay the same folder over itself, read-only: whatever is looked up by its name answers EROFS, what is open goes on. */
export const coverReadOnly = (folder: string): { readonly lift: () => void } => {
  done('mount', '--bind', folder, folder)
  onTestFinished(() => void spawnSync('umount', ['--lazy', folder]))
  done('mount', '-o', 'remount,bind,ro', folder)
  return { lift: () => done('umount', folder) }
}

const tried = (): boolean => {
  const place = mkdtempSync(join(tmpdir(), 'portmesh-test-'))
  const [image, folder] = [join(place, 'image'), join(place, 'disk')]
  try {
    for (const [command = '', ...words] of [
      ['mkdir', folder],
      ['truncate', '-s', '8M', image],
      ['mkfs.ext4', '-q', image],
    ])
      done(command, ...words)
    mountImage(image, folder)
    return existsSync(triggerOf(folder))
  } catch {
    return false
  } finally {
    spawnSync('umount', ['--lazy', folder])
    rmSync(place, { recursive: true, force: true })
  }
}

/** Needs root, loop devices, and a kernel that lets errors be made up. */
export const canFail = canMount && tried()
