/** Finding the nodes of the local network by multicast DNS, and being found (PROTOCOL.md, "Finding each other"). */
import { setTimeout as sleep } from 'node:timers/promises'
import type { DecodedPacket } from 'dns-packet'
import type { LanAddress } from './interfaces.ts'
import { type LinkStatus, MdnsLink } from './mdns-link.ts'
import { announcement, asksFor, isReachable, question, type Sighting, sightings } from './mdns-records.ts'
import { Told } from './told.ts'

/** Between the first and the second question on a network, and at most; it doubles. */
const FIRST_PAUSE_MS = 1_000
const MAX_PAUSE_MS = 60_000
/** Nobody waits for somebody else's rhythm: pauses differ by this part. */
const JITTER = 0.2
/** Rounds in which we announce ourselves unasked (RFC 6762, 8.3: at least two, a second apart). */
const ANNOUNCEMENTS = 3
/** Not all at once when one asks all (RFC 6762, 6); and not more than once a second, whoever asks how often. */
const ANSWER_DELAY_MS = { least: 20, most: 120 } as const
const ANSWER_EVERY_MS = 1_000
/** The goodbyes are sent within this time, or not at all. */
const GOODBYE_MS = 250
export interface MdnsDeps {
  /** Our own, 64 hexadecimal characters. */
  readonly id: string
  /** Where we listen. */
  readonly port: number
  /** Somebody says that a node is at `host:port`, IPv6 in brackets. A hint: whoever is there has yet to prove it. */
  readonly found: (address: string, id: string) => void
  /** Somebody says that a node which was found stops. A hint as well. */
  readonly gone: (id: string) => void
  readonly now?: () => number
  readonly random?: () => number
}

interface Place {
  readonly link: MdnsLink
  /** Ends the rounds, and an answer that waits. */
  ending: AbortController
  known: string
  spokenMs: number
  answering: boolean
}

export class Mdns {
  readonly #deps: Required<MdnsDeps>
  readonly #places = new Map<string, Place>()
  readonly #told: Told
  #stopped = false

  constructor(deps: MdnsDeps) {
    this.#deps = { now: () => performance.now(), random: Math.random, ...deps }
    this.#told = new Told(this.#deps.now)
  }

  /** Speak and listen on the interfaces of these addresses and on no others; asks at once where one is new or has changed. */
  addresses(list: readonly LanAddress[]): void {
    if (this.#stopped) return
    const wanted = new Map(list.map((one) => [`${one.name} ${one.family}`, one]))
    for (const [key, place] of this.#places) {
      if (wanted.has(key)) continue
      this.#places.delete(key)
      place.ending.abort()
      void place.link.close()
    }
    for (const [key, { name, family }] of wanted) {
      const here = list.filter((one) => one.name === name)
      const known = JSON.stringify(here)
      const place = this.#places.get(key)
      if (place?.known === known) continue
      // A socket sends from, and has joined with, the address that it was opened with.
      if (place) void place.link.close()
      place?.ending.abort()
      this.#enter(key, new MdnsLink(name, family, (...heard) => this.#heard(key, ...heard)), here)
    }
  }

  /** Announce and ask again now, as after a sleep of the computer. */
  again(): void {
    for (const place of this.#places.values()) {
      place.ending.abort()
      place.ending = new AbortController()
      void this.#rounds(place, place.ending.signal)
    }
  }

  /** How it went on each interface since it came. */
  status(): readonly LinkStatus[] {
    return [...this.#places.values()].map(({ link }) => link.status())
  }

  /** Say goodbye and be silent, within half a second. */
  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    const places = [...this.#places.values()]
    for (const { ending } of places) ending.abort()
    const goodbyes = places.map(({ link }) => link.send(announcement(this.#deps, link.hosts(), true)))
    await Promise.race([Promise.all(goodbyes), sleep(GOODBYE_MS, undefined, { ref: false })])
    await Promise.all(places.map(({ link }) => link.close()))
  }

  #enter(key: string, link: MdnsLink, here: readonly LanAddress[]): void {
    link.set(here)
    const place: Place = {
      link,
      ending: new AbortController(),
      known: JSON.stringify(here),
      spokenMs: Number.NEGATIVE_INFINITY,
      answering: false,
    }
    this.#places.set(key, place)
    void this.#rounds(place, place.ending.signal)
  }

  async #rounds(place: Place, signal: AbortSignal): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS
    for (let round = 0; !signal.aborted; round += 1) {
      await place.link.open()
      if (signal.aborted) return
      if (round < ANNOUNCEMENTS) await this.#announce(place)
      await place.link.send(question())
      const part = 1 + JITTER * (2 * this.#deps.random() - 1)
      await sleep(pauseMs * part, undefined, { signal, ref: false }).catch(() => {})
      pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS)
    }
  }

  async #announce(place: Place): Promise<void> {
    place.spokenMs = this.#deps.now()
    await place.link.send(announcement(this.#deps, place.link.hosts()))
  }

  #heard(key: string, packet: DecodedPacket, source: string): void {
    const place = this.#places.get(key)
    if (!place || this.#stopped) return
    if (asksFor(packet, this.#deps.id)) void this.#answer(place)
    for (const sighting of sightings(packet)) {
      if (sighting.id === this.#deps.id) continue
      if (!sighting.leaving) this.#see(sighting, place.link, source)
      else if (this.#told.forget(sighting.id)) this.#deps.gone(sighting.id)
    }
  }

  /** One answer for all who ask in the meantime. */
  async #answer(place: Place): Promise<void> {
    if (place.answering) return
    place.answering = true
    const { signal } = place.ending
    const { least, most } = ANSWER_DELAY_MS
    const politeMs = least + this.#deps.random() * (most - least)
    const waitMs = Math.max(politeMs, place.spokenMs + ANSWER_EVERY_MS - this.#deps.now())
    await sleep(waitMs, undefined, { signal, ref: false }).catch(() => {})
    place.answering = false
    if (!signal.aborted) await this.#announce(place)
  }

  #see({ id, port, hosts }: Sighting, link: MdnsLink, source: string): void {
    const near = hosts.filter((host) => link.isNear(host))
    // Who names no address that we could use has the one that it speaks from.
    const all = near.length > 0 ? near : [source].filter(isReachable)
    for (const host of all) {
      const isOurs = port === this.#deps.port && this.#isAnnounced(host)
      const address = `${host.includes(':') ? `[${host}]` : host}:${port}`
      if (!isOurs && this.#told.isNew(address, id)) this.#deps.found(address, id)
    }
  }

  #isAnnounced(host: string): boolean {
    return [...this.#places.values()].some(({ link }) => link.hosts().includes(host))
  }
}
