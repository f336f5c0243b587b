/** Other programs that take part in a benchmark: found when they are there, ended with it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { cleanUp } from '../measure.ts'

const LISTENS_WITHIN_MS = 10_000
const LAST_LINES = 5

/** Start a program that runs until the benchmark ends, in a process group of its own. */
export const start = (program: string, words: readonly string[], env?: NodeJS.ProcessEnv): ChildProcess => {
  const child = spawn(program, words, {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  // Whatever is not read must not stop it.
  child.stdout?.resume()
  child.stderr?.resume()
  const ended = once(child, 'exit').catch(() => {})
  cleanUp(async () => {
    endGroup(child)
    if (child.exitCode === null && child.signalCode === null) await ended
  })
  return child
}

/** Run a program to its end. @returns seconds and what it printed. @throws with its last words when it fails */
export const exec = async (
  program: string,
  words: readonly string[],
): Promise<{ readonly seconds: number; readonly output: string }> => {
  const began = performance.now()
  const child = start(program, words)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += chunk))
  const closed = once(child, 'close')
  const [code, signal] = await once(child, 'exit')
  const seconds = (performance.now() - began) / 1_000
  await closed
  if (code !== 0) {
    const said = output.trim().split('\n').slice(-LAST_LINES).join('\n')
    throw new Error(`${program} ${words.join(' ')} ended with ${signal ?? code}:\n${said}`)
  }
  return { seconds, output }
}

/** Wait until something accepts connections there. */
export const listensAt = async (port: number, host = '127.0.0.1'): Promise<void> => {
  const until = performance.now() + LISTENS_WITHIN_MS
  for (;;) {
    const socket = connect({ host, port })
    const open = await once(socket, 'connect').then(
      () => true,
      () => false,
    )
    socket.destroy()
    if (open) return
    if (performance.now() > until) throw new Error(`nothing listens at ${host}:${port}`)
    await sleep(20)
  }
}

export const endGroup = (child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): void => {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal)
  } catch {
    // The whole group is gone.
  }
}
