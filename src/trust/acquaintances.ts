/** Who is who: each key since it was first met, the name the person gave it, whether it is blocked, and who looks like whom. */
import { fromHex } from '../bytes.ts'
import { fingerprint } from '../crypto/identity.ts'
import { BadRequest, NameTaken, UnknownPeer } from '../errors.ts'
import { petnameOf, skeletonOf } from './names.ts'

/** One identity; times are milliseconds since 1970. */
export interface Acquaintance {
  /** 64 hex characters. */
  readonly id: string
  readonly metMs: number
  /** The last name it gave itself. */
  readonly name: string
  readonly petname: { readonly name: string; readonly atMs: number } | undefined
  readonly blockedMs: number | undefined
  /** It was caught sending something wrong: when last, and the code of the error. */
  readonly lied: { readonly atMs: number; readonly code: string } | undefined
  /** Something that is published here was given to it. */
  readonly wasGiven: boolean
  /** Where a blocked one was last, `host:port`. */
  readonly address: string | undefined
}

/**
 * A name that belongs to somebody else. `pretends`: the person has named the other one, and this one uses its name with another
 * key. `same name`: two call themselves the same, as computers do, and the other one was met before.
 */
export interface Warning {
  readonly kind: 'pretends' | 'same name'
  readonly other: Acquaintance
}

export interface AcquaintancesOptions {
  readonly load: () => readonly Acquaintance[]
  /** On disk before it returns. */
  readonly save: (changed: readonly Acquaintance[]) => void
  readonly remove: (ids: readonly string[]) => void
  /** What is remembered without being asked for could not be kept. */
  readonly onTrouble: (error: unknown) => void
  /** Something that pages show is different now. */
  readonly tell: () => void
  readonly now?: () => number
}

const FINGERPRINT_DIGITS = 16

/** What a person compares of a key (PROTOCOL.md, "Identity"): the first 16 digits of its fingerprint, in groups of four. */
export const shortFingerprint = (id: string): string =>
  fingerprint(fromHex(id) ?? new Uint8Array())
    .slice(0, FINGERPRINT_DIGITS)
    .replace(/(.{4})(?=.)/g, '$1 ')

export class Acquaintances {
  readonly #options: AcquaintancesOptions
  readonly #now: () => number
  readonly #known = new Map<string, Acquaintance>()
  /** Skeleton of a name -> who has it, by a name of its own or one it was given; made when it is needed. */
  #bySkeleton: ReadonlyMap<string, readonly Acquaintance[]> | undefined

  constructor(options: AcquaintancesOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
  }

  /** What was remembered. */
  start(): void {
    for (const one of this.#options.load()) this.#known.set(one.id, one)
  }

  get(id: string): Acquaintance | undefined {
    return this.#known.get(id)
  }

  all(): readonly Acquaintance[] {
    return [...this.#known.values()]
  }

  isBlocked(id: string): boolean {
    return this.#known.get(id)?.blockedMs !== undefined
  }

  /** Those who are blocked, as the person calls them, and where they were last. */
  blocked(): readonly { readonly name: string; readonly address: string | undefined }[] {
    return this.all().flatMap(({ name, petname, blockedMs, address }) =>
      blockedMs === undefined ? [] : [{ name: petname?.name ?? name, address }],
    )
  }

  petname(id: string): string | undefined {
    return this.#known.get(id)?.petname?.name
  }

  /**
   * Everybody of the table, as it is now. Newcomers are pinned; who has left is forgotten, unless the person named or blocked him.
   * What cannot be kept on a full disk is known until the process ends.
   */
  meet(rows: readonly { readonly id: string; readonly name: string }[]): void {
    const changed = rows.flatMap(({ id, name }): Acquaintance[] => {
      const known = this.#known.get(id)
      if (known?.name === name) return []
      return [known ? { ...known, name } : { ...stranger(id, name), metMs: this.#now() }]
    })
    const present = new Set(rows.map(({ id }) => id))
    const gone = this.all().filter(
      ({ id, petname, blockedMs }) => !present.has(id) && !petname && blockedMs === undefined,
    )
    if (changed.length + gone.length === 0) return
    for (const one of changed) this.#known.set(one.id, one)
    for (const { id } of gone) this.#known.delete(id)
    this.#bySkeleton = undefined
    this.#quietly(() => {
      if (changed.length > 0) this.#options.save(changed)
      if (gone.length > 0) this.#options.remove(gone.map(({ id }) => id))
    })
  }

  /**
   * Give it a name, or take it away with an empty one.
   * @throws UnknownPeer, BadRequest for a name over 64 bytes; NameTaken when somebody else has it from the person; DiskFull, CannotWrite
   */
  name(id: string, text: string): void {
    const known = this.#of(id)
    const name = petnameOf(text)
    if (name === undefined) throw new BadRequest('a name has at most 64 bytes')
    if (name === (known.petname?.name ?? '')) return
    const skeleton = skeletonOf(name)
    const other = this.all().find((one) => one.id !== id && one.petname && skeletonOf(one.petname.name) === skeleton)
    if (name !== '' && other) throw new NameTaken()
    this.#change({ ...known, petname: name === '' ? undefined : { name, atMs: this.#now() } })
  }

  /** @param address - where it is, to be asked again when it is unblocked. @throws UnknownPeer, DiskFull, CannotWrite */
  block(id: string, address: string | undefined): void {
    const known = this.#of(id)
    if (known.blockedMs === undefined) this.#change({ ...known, blockedMs: this.#now(), address })
  }

  /** @returns where it was last. @throws UnknownPeer, DiskFull, CannotWrite */
  unblock(id: string): string | undefined {
    const known = this.#of(id)
    if (known.blockedMs !== undefined) this.#change({ ...known, blockedMs: undefined, address: undefined })
    return known.address
  }

  /** It sent something that it can be proved to have sent, and that is wrong. */
  lied(id: string, code: string): void {
    const known = this.#known.get(id)
    if (known) this.#quietly(() => this.#change({ ...known, lied: { atMs: this.#now(), code } }))
  }

  /** Take the mark of a lie away. @throws UnknownPeer, DiskFull, CannotWrite */
  trustAgain(id: string): void {
    const known = this.#of(id)
    if (known.lied) this.#change({ ...known, lied: undefined })
  }

  /** Something that is published here was given to it. */
  gave(id: string): void {
    const known = this.#known.get(id)
    if (known && !known.wasGiven) this.#quietly(() => this.#change({ ...known, wasGiven: true }))
  }

  /** Nothing is remembered of it, not even its name. @throws DiskFull, CannotWrite */
  forget(id: string): void {
    if (!this.#known.has(id)) return
    this.#options.remove([id])
    this.#known.delete(id)
    this.#changed()
  }

  /** Whose name somebody uses. Whoever the person has named or blocked himself is no news. */
  warningOf(id: string): Warning | undefined {
    const one = this.#known.get(id)
    if (!one || one.petname || one.blockedMs !== undefined) return undefined
    const same = (this.#index().get(skeletonOf(one.name)) ?? []).filter((other) => other.id !== id)
    const named = same.find((other) => isNamedAs(other, one))
    if (named) return { kind: 'pretends', other: named }
    const before = same.find((other) => isBefore(other, one))
    return before && { kind: 'same name', other: before }
  }

  /** Everybody who uses the name of somebody the person has named. */
  pretenders(): readonly { readonly who: Acquaintance; readonly warning: Warning }[] {
    const named = this.all().filter(({ petname }) => petname)
    const names = named.flatMap(({ name, petname }) => [name, petname?.name ?? ''])
    const same = new Set(names.flatMap((name) => this.#index().get(skeletonOf(name)) ?? []))
    return [...same].flatMap((who) => {
      const warning = this.warningOf(who.id)
      return warning?.kind === 'pretends' ? [{ who, warning }] : []
    })
  }

  #of(id: string): Acquaintance {
    const known = this.#known.get(id)
    if (!known) throw new UnknownPeer()
    return known
  }

  /** On disk first: what could not be kept has not happened. */
  #change(next: Acquaintance): void {
    this.#options.save([next])
    this.#known.set(next.id, next)
    this.#changed()
  }

  #changed(): void {
    this.#bySkeleton = undefined
    this.#options.tell()
  }

  #quietly(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#options.onTrouble(error)
    }
  }

  #index(): ReadonlyMap<string, readonly Acquaintance[]> {
    if (this.#bySkeleton) return this.#bySkeleton
    const index = new Map<string, Acquaintance[]>()
    for (const one of this.all()) {
      for (const skeleton of new Set([one.name, one.petname?.name ?? one.name].map(skeletonOf))) {
        const same = index.get(skeleton)
        if (same) same.push(one)
        else index.set(skeleton, [one])
      }
    }
    this.#bySkeleton = index
    return index
  }
}

const stranger = (id: string, name: string): Omit<Acquaintance, 'metMs'> => ({
  id,
  name,
  petname: undefined,
  blockedMs: undefined,
  lied: undefined,
  wasGiven: false,
  address: undefined,
})

/** By the person; a name that it only gave itself counts for those who came when it had been named. */
const isNamedAs = ({ petname }: Acquaintance, one: Acquaintance): boolean =>
  petname !== undefined && (skeletonOf(petname.name) === skeletonOf(one.name) || one.metMs > petname.atMs)

const isBefore = (a: Acquaintance, b: Acquaintance): boolean =>
  a.metMs < b.metMs || (a.metMs === b.metMs && a.id < b.id)
