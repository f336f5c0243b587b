/** The piece layer of a published content: kept since it was hashed, else made by reading the file once more. */
import { BadName, Busy, FileChanged, isOurs, NoSuchFile, NotAFile, Unreadable } from '../errors.ts'
import type { PublishedFile } from './entry.ts'
import type { Hasher } from './hash.ts'
import type { Home } from './home.ts'
import { isLayerOf, shortLayerOf } from './piece-layer.ts'
import type { State } from './state.ts'
import { Turns } from './turns.ts'

/** Contents whose layers may be waited for; what was published by this version has one. */
const MAX_WAITING = 32

export interface LayerMakerDeps {
  readonly home: Home
  readonly state: State
  readonly hasher: Pick<Hasher, 'hash'>
  /** Ends what is being made. */
  readonly signal: AbortSignal
}

export class LayerMaker {
  readonly #deps: LayerMakerDeps
  /** One at a time: publishing needs the disk, too. */
  readonly #turns = new Turns(1)
  readonly #making = new Map<string, Promise<Uint8Array>>()
  /** Those whose kept layer was looked at. */
  readonly #checked = new WeakSet<PublishedFile>()

  constructor(deps: LayerMakerDeps) {
    this.#deps = deps
  }

  /**
   * 32 bytes a piece; for a content of one piece the root.
   * @throws FileChanged when the file has another content now; Busy; the signal's reason
   */
  async of(file: PublishedFile): Promise<Uint8Array> {
    const { root, size } = file
    const known = shortLayerOf(root, size) ?? this.#kept(file)
    if (known) return known
    const running = this.#making.get(root)
    if (running) return await running
    if (this.#making.size >= MAX_WAITING) throw new Busy()
    const making = this.#make(file).finally(() => this.#making.delete(root))
    this.#making.set(root, making)
    return await making
  }

  /** A damaged one is made anew: whoever hands out a wrong layer is not asked again. */
  #kept(file: PublishedFile): Uint8Array | undefined {
    const kept = this.#deps.state.layers.get(file.root)
    if (!kept || this.#checked.has(file)) return kept
    if (!isLayerOf(file.root, file.size, kept)) return undefined
    this.#checked.add(file)
    return kept
  }

  async #make({ name, root, size }: PublishedFile): Promise<Uint8Array> {
    const { home, state, hasher, signal } = this.#deps
    const hash = async (): Promise<Uint8Array | undefined> => {
      const { stamp } = await home.stat(name)
      return (await hasher.hash(home.path(name), { expect: stamp, signal })).layer
    }
    const layer = await this.#turns
      .run(hash, () => true, signal)
      .catch((error: unknown) => {
        const gone = [NoSuchFile, NotAFile, BadName, Unreadable].some((kind) => error instanceof kind)
        throw gone ? new FileChanged({ cause: error }) : error
      })
    if (!layer || !isLayerOf(root, size, layer)) throw new FileChanged()
    try {
      state.layers.put(root, layer)
    } catch (error) {
      // A full disk: it is made once more when somebody asks again.
      if (!isOurs(error)) throw error
    }
    return layer
  }
}
