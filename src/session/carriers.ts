/** The connections on which a peer asks in its sessions: with the last session they end, and every answer that still runs. */

/** A connection, as far as it matters here. */
export interface Carrier {
  once(event: 'close', listener: () => void): unknown
  destroy(): unknown
}

export class Carriers {
  readonly #ofPeer = new Map<string, Set<Carrier>>()
  /** Who asks on a connection: mostly one. */
  readonly #peers = new WeakMap<Carrier, Set<string>>()

  /** A request of a peer came on a connection. */
  note(peerId: string, carrier: Carrier): void {
    const peers = this.#peers.get(carrier) ?? this.#listen(carrier)
    if (peers.has(peerId)) return
    peers.add(peerId)
    const carriers = this.#ofPeer.get(peerId) ?? new Set()
    this.#ofPeer.set(peerId, carriers.add(carrier))
  }

  end(peerId: string): void {
    for (const carrier of this.#ofPeer.get(peerId) ?? []) carrier.destroy()
  }

  #listen(carrier: Carrier): Set<string> {
    const peers = new Set<string>()
    this.#peers.set(carrier, peers)
    carrier.once('close', () => {
      for (const peerId of peers) {
        const carriers = this.#ofPeer.get(peerId)
        carriers?.delete(carrier)
        if (carriers?.size === 0) this.#ofPeer.delete(peerId)
      }
    })
    return peers
  }
}
