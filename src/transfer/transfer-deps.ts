/** What a transfer needs of others. */
import type { Stamp } from '../store/stamp.ts'
import type { State } from '../store/state.ts'
import type { Content, FetchDeps } from './fetch.ts'
import type { Holder } from './following.ts'

export interface TransferDeps extends Omit<FetchDeps, 'publishers'> {
  readonly publishers: (content: Content) => readonly Holder[]
  readonly state: Pick<State, 'transfers'>
  /** A live node of the table by its identity. */
  readonly byId: (id: string) => Holder | undefined
  /** Whether the home has it, as far as is known without looking. */
  readonly hasOwn: (content: Content) => boolean
  /** A file of the home that has the content: its path and its layer. */
  readonly own: (content: Content) => Promise<{ path: string; layer: Uint8Array } | undefined>
  /**
   * Its final name is given.
   * @param isSure - nobody can have changed it since it was checked: then what is known of it is remembered
   */
  readonly placed: (
    name: string,
    content: Content & { readonly layer: Uint8Array | undefined },
    isSure: boolean,
  ) => Promise<{ path: string; stamp: Stamp }>
  readonly partialPath: (id: string) => string
  /** Where a file of the home lies. */
  readonly pathOf: (name: string) => string
  /** A holder sent something wrong, and nobody else can have sent it. */
  readonly onLie?: (id: string, code: string) => void
  readonly onTrouble: (what: string, error: unknown) => void
  /** Something about a transfer changed. */
  readonly tell: () => void
  readonly now: () => number
}
