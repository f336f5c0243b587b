import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { run, tempDir } from '../../helpers/process.ts'

/** A disk of 1 MiB that only the process behind it sees; it is gone with the process. */
const onSmallDisk = (at: string, command: string): string[] => [
  '--mount',
  '--map-root-user',
  'sh',
  '-c',
  `mount -t tmpfs -o size=1m tmpfs '${at}' && exec ${command}`,
]

const possible = spawnSync('unshare', onSmallDisk('/mnt', 'true')).status === 0

test.skipIf(!possible)(
  'a full disk ends what does not fit, keeps nothing of it, and nothing else suffers',
  async () => {
    const folder = await tempDir()
    const holder = fileURLToPath(new URL('holder.ts', import.meta.url))
    const filling = run('unshare', onSmallDisk(folder, `'${process.execPath}' '${holder}' fill '${folder}'`))
    await filling.ended
    expect(filling.output().trim().split('\n')).toEqual([
      'small fine',
      'large PM_DISK_FULL',
      'announced PM_DISK_FULL',
      'small fine',
      'files small,small (2)',
      'state PM_DISK_FULL',
      'closed',
    ])
  },
)
