/** What others see of us: one row for the nodes of this computer, another for the network, which has only what may be seen there. */
import { OwnRow, type OwnRowOptions } from './dht/row.ts'
import { FILES_A_SLICE, inSlices, nextTurn } from './dht/slices.ts'
import type { RowChange } from './dht/table.ts'
import type { News } from './news.ts'
import type { Published } from './store/published.ts'
import { REACHES, type Reach } from './store/reach.ts'

export interface OwnRowsOptions extends OwnRowOptions {
  /** Hex of `id`. */
  readonly ownId: string
  readonly published: Published
  /** Told after every step, with what changed and who can see it. */
  readonly onChange: (change: RowChange, seenFrom: Reach) => void
  readonly signal: AbortSignal
}

export class OwnRows {
  readonly #options: OwnRowsOptions
  readonly #rows: Readonly<Record<Reach, OwnRow>>

  constructor(options: OwnRowsOptions) {
    this.#options = options
    const row = (): OwnRow => new OwnRow(options)
    this.#rows = { computer: row(), network: row() }
  }

  /** @param from - where those are who see it */
  seenFrom(from: Reach): OwnRow {
    return this.#rows[from]
  }

  /** All that is published is in the rows when it returns; from then on they follow. */
  async start(news: News): Promise<void> {
    for (const from of REACHES) {
      while (this.#some(from)) await nextTurn()
      await inSlices(this.#rows[from].preparing())
      news.on('files', () => this.#follow(from))
    }
  }

  #follow(from: Reach): void {
    if (this.#some(from) && !this.#options.signal.aborted) void nextTurn().then(() => this.#follow(from))
  }

  /** @returns whether there is more: all of a hundred thousand files come and go in slices. */
  #some(from: Reach): boolean {
    const { published, ownId, onChange } = this.#options
    const { removed, added, more } = this.#rows[from].sync(published.files(from), FILES_A_SLICE)
    if (removed.length + added.length > 0) onChange({ id: ownId, removed, added }, from)
    return more
  }
}
