/** What is kept of one transfer between two starts: its record, and the map of its pieces. */
import { PieceSet } from '../store/piece-set.ts'
import { pieceCountOf } from '../store/pieces.ts'
import type { PieceMap, TransferRecord, TransferState, TransferStore } from '../store/transfers.ts'
import { Weave } from './weave.ts'

export interface KeptRecordDeps {
  readonly store: TransferStore
  readonly onTrouble: (what: string, error: unknown) => void
  /** Something changed. */
  readonly tell: () => void
}

export class KeptRecord {
  readonly weave: Weave
  readonly #deps: KeptRecordDeps
  #record: TransferRecord
  /** The map says all that was written. */
  #clean: boolean
  #writing = false

  /** @param clean - of the map: it says all that was written */
  constructor(deps: KeptRecordDeps, record: TransferRecord, map: PieceMap | undefined, clean: boolean) {
    this.#deps = deps
    this.#record = record
    this.weave = new Weave(pieceCountOf(record.size), record.givers, map)
    this.#clean = clean
  }

  get record(): TransferRecord {
    return this.#record
  }

  /** Pieces that may be in the partial file: after an unclean end anything that was written may be whole, told or not. */
  maybe(): PieceSet {
    return this.#clean ? this.weave.pieces() : PieceSet.full(pieceCountOf(this.#record.size))
  }

  /** @throws DiskFull, CannotWrite; then nothing has changed */
  save(change: Partial<TransferRecord> = {}): void {
    const record = { ...this.#record, givers: this.weave.givers, ...change }
    this.#deps.store.put(record)
    this.#record = record
    this.#deps.tell()
  }

  /** A state is kept where the disk takes it; where it does not, the transfer goes on all the same. */
  to(state: TransferState, change: Partial<TransferRecord> = {}): void {
    try {
      this.save({ state, ...change })
    } catch (error) {
      this.#record = { ...this.#record, state, ...change }
      this.#deps.onTrouble('a transfer could not be kept', error)
      this.#deps.tell()
    }
  }

  /** The file was replaced by another one: it has to be looked at. */
  replaced(): void {
    this.#clean = false
    this.keepMap()
  }

  /** The file was looked at, and holds these. To be told before the first piece is written: what a crash leaves is looked at then. */
  looked(found: PieceSet): void {
    this.weave.keep(found)
    this.#writing = true
    this.replaced()
  }

  /** Nothing is written any more, and what was is on the disk. */
  rested(): void {
    // One that was not looked at is no cleaner than before.
    if (this.#writing) this.#clean = true
    this.#writing = false
    this.keepMap()
  }

  /** Nothing is there any more. */
  emptied(): void {
    this.weave.keep(new PieceSet(this.weave.map.length))
    this.#writing = false
    this.#clean = true
    this.keepMap()
  }

  keepMap(): void {
    try {
      this.#deps.store.putMap(this.#record.id, this.weave.map, this.#clean)
    } catch (error) {
      this.#deps.onTrouble('the piece map could not be kept', error)
    }
  }
}
