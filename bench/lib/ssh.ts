/** scp from an sshd of its own, with keys that are thrown away. */
import { mkdir, rm, rmdir, writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { findAll } from '../../test/helpers/find-program.ts'
import { freePorts } from '../../test/helpers/process.ts'
import { cleanUp } from '../measure.ts'
import { cpuOfEnded, cpuOfTree } from './machine.ts'
import { exec, listensAt, start } from './programs.ts'
import type { Contender } from './rounds.ts'

/** Where sshd locks itself in, as root; it ends without it. */
const PRIVILEGE_FOLDER = '/run/sshd'
const CIPHER = 'aes256-gcm@openssh.com'

/** @param path - the file that is fetched. @returns undefined when sshd or scp is not installed */
export const sshPeer = async (folder: string, path: string): Promise<Contender | undefined> => {
  const programs = findAll('sshd', 'scp', 'ssh-keygen')
  if (!programs) return undefined
  const own = join(folder, 'ssh')
  await mkdir(own, { mode: 0o700 })
  for (const name of ['host', 'person']) {
    await exec(programs['ssh-keygen'], ['-q', '-t', 'ed25519', '-N', '', '-f', join(own, name)])
  }
  if (process.getuid?.() === 0) {
    const made = await mkdir(PRIVILEGE_FOLDER, { mode: 0o755 }).then(
      () => true,
      () => false,
    )
    if (made) cleanUp(async () => await rmdir(PRIVILEGE_FOLDER).catch(() => {}))
  }
  const [port] = await freePorts(1)
  if (port === undefined) return undefined
  const configuration = join(own, 'sshd_config')
  await writeFile(
    configuration,
    `ListenAddress 127.0.0.1:${port}
HostKey ${own}/host
AuthorizedKeysFile ${own}/person.pub
PidFile ${own}/pid
PermitRootLogin prohibit-password
PasswordAuthentication no
StrictModes no
UsePAM no
Subsystem sftp internal-sftp
`,
  )
  const sshd = start(programs.sshd, ['-D', '-f', configuration])
  await listensAt(port)
  const target = join(folder, 'from-sshd')
  const options = ['StrictHostKeyChecking=no', `UserKnownHostsFile=${own}/known`, 'BatchMode=yes', 'IdentitiesOnly=yes']
  const words = ['-q', '-F', '/dev/null', '-c', CIPHER, '-P', String(port), '-i', join(own, 'person')]
  return {
    name: 'scp (aes256-gcm), not verified',
    run: async () => {
      const cpu = cpuOfTree(sshd.pid ?? 0) + cpuOfEnded()
      const source = `${userInfo().username}@127.0.0.1:${path}`
      const { seconds } = await exec(programs.scp, [
        ...words,
        ...options.flatMap((option) => ['-o', option]),
        source,
        target,
      ])
      const used = cpuOfTree(sshd.pid ?? 0) + cpuOfEnded() - cpu
      await rm(target)
      return { seconds, cpu: used }
    },
  }
}
