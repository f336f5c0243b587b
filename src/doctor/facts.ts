/** What an examination found out, before anybody says what it means. */

/** What came back from an address that was looked at. */
export interface Look {
  /** `host:port` */
  readonly address: string
  /** Why it was looked at. */
  readonly because: 'typed' | 'listed' | 'known'
  readonly came:
    | 'node'
    /** A node of another version. */
    | 'version'
    /** Something that is no node. */
    | 'other'
    /** The computer is there, nothing listens at the port. */
    | 'refused'
    /** Nothing at all came back in time. */
    | 'silent'
    /** The system knows no way there. */
    | 'unreachable'
    /** Nobody knows that name. */
    | 'name'
    /** It is there, but no session came about. */
    | 'handshake'
  /** How far its clock is ahead of ours, ms; undefined when it said nothing of it. */
  readonly clockAheadMs?: number | undefined
  /** The name of the node that is there, or was last. */
  readonly name?: string | undefined
}

/** What a node of the network says of its own look at us. */
export interface Reverse {
  readonly name: string
  readonly address: string
  /** Undefined: it did not say. */
  readonly reached: boolean | undefined
}

export interface Facts {
  readonly on: boolean
  /** process.platform */
  readonly platform: string
  readonly port: number
  readonly interfaces: readonly { readonly name: string; readonly address: string; readonly prefix: number }[]
  /** Where it listens, `host:port`. */
  readonly addresses: readonly string[]
  readonly failed: readonly { readonly address: string; readonly code: string }[]
  /** For each interface. */
  readonly multicast: readonly {
    readonly address: string
    readonly sent: number
    readonly heard: number
    readonly error?: string
  }[]
  readonly looks: readonly Look[]
  readonly reverse: readonly Reverse[]
  /** Those that the person blocked, and where they were last. */
  readonly blocked: readonly { readonly name: string; readonly address: string | undefined }[]
  /** Live nodes of the network. */
  readonly here: number
}

/** One thing the person should know, or do. */
export interface Diagnosis {
  readonly level: 'ok' | 'care' | 'no'
  /** For programs: stable. */
  readonly code: string
  readonly title: string
  /** What to do about it; empty when nothing. */
  readonly text: string
}
