/** Handing a file of the home to the program with which this computer opens such files. */
import { type ChildProcess, type SpawnOptions, spawn as spawnProcess } from 'node:child_process'
import { NoDesktop } from '../errors.ts'

export interface HandOverOptions {
  readonly platform?: string
  /** The environment of the node: it says whether there is a desktop. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly spawn?: (command: string, words: readonly string[], options: SpawnOptions) => ChildProcess
}

export class HandOver {
  /** Whether there is a desktop at all; without one nothing can be opened. */
  readonly possible: boolean
  readonly #command: string
  readonly #spawn: NonNullable<HandOverOptions['spawn']>

  constructor({ platform = process.platform, env = {}, spawn = spawnProcess }: HandOverOptions = {}) {
    this.#command = platform === 'darwin' ? 'open' : platform === 'win32' ? 'explorer.exe' : 'xdg-open'
    // Without one xdg-open would begin a browser for terminals.
    this.possible = this.#command !== 'xdg-open' || Boolean(env.DISPLAY || env.WAYLAND_DISPLAY)
    this.#spawn = spawn
  }

  /**
   * Resolves when the program that opens files has begun; it outlives this node.
   * @param path - absolute, so that it is never taken for an option; it goes to the program as it is, without a shell.
   * @param onRefused - called when that program ends with an error later on.
   * @throws NoDesktop
   */
  async open(path: string, onRefused: () => void = () => {}): Promise<void> {
    if (!this.possible) throw new NoDesktop()
    const { promise: begun, resolve, reject } = Promise.withResolvers<void>()
    try {
      const child = this.#spawn(this.#command, [path], { detached: true, shell: false, stdio: 'ignore' })
      child.once('spawn', resolve)
      child.once('error', reject)
      // Explorer ends with 1 whatever it did.
      if (this.#command !== 'explorer.exe') child.once('exit', (code) => code !== null && code !== 0 && onRefused())
      child.unref()
    } catch (error) {
      reject(error)
    }
    await begun.catch((cause: unknown) => {
      throw new NoDesktop({ cause })
    })
  }
}
