/** /alive or a peer said something new -> its row, or what changed in it -> the table (PROTOCOL.md, "Rows"). */
import { headOf } from '../dht/row.ts'
import type { Peer, PeerTable } from '../dht/table.ts'
import { PeerMisbehaved } from '../errors.ts'
import type { PeerClient } from '../peer/client.ts'
import { MAX_FILES } from '../protocol/constants.ts'
import type { RowPage, TableQuery } from '../protocol/messages.ts'

/** A page holds some 160 of the longest names at least, and most of them thousands, so a longer answer is no row. */
const MAX_PAGES = MAX_FILES / 250
/** Files and names of one pull: every file there may be, and each of them once more, because the row changed meanwhile. */
const MAX_ENTRIES = 2 * MAX_FILES

/**
 * Pull the row of whoever answers at an address: what changed since we asked last, or all of it when that does not add up.
 * @returns the identity that answered, 64 hex characters.
 * @throws PeerMisbehaved for what is no row of that peer; the errors of PeerClient.
 */
export const pullRow = async (
  client: Pick<PeerClient, 'table'>,
  table: PeerTable,
  address: string,
  signal: AbortSignal,
): Promise<string> => {
  for (const known of [table.at(address), undefined]) {
    const { moment } = table
    const { id, pages } = await pull(client, address, known, signal)
    if (await table.accept({ id, address, pages, moment })) return id
  }
  throw new PeerMisbehaved(address)
}

const pull = async (
  client: Pick<PeerClient, 'table'>,
  address: string,
  known: Peer | undefined,
  signal: AbortSignal,
): Promise<{ id: string; pages: readonly RowPage[] }> => {
  let query: TableQuery = known ? { epoch: known.epoch, since: known.version, files: known.filesDigest } : {}
  let pages: RowPage[] = []
  let owner: string | undefined
  let entries = 0
  for (let asked = 0; asked < MAX_PAGES; asked++) {
    const { id, page } = await client.table(address, query, signal)
    const head = headOf(page)
    owner ??= id
    if (!head || id !== owner || page.upTo > head.version) throw new PeerMisbehaved(address)
    entries = (page.whole ? 0 : entries) + page.files.length + page.gone.length
    pages = page.whole ? [page] : [...pages, page]
    if (page.upTo === head.version) return { id, pages }
    // Whoever is not at the end must have come nearer to it, and brought something.
    const before = page.whole ? 0 : (query.since ?? 0)
    if (page.upTo <= before || entries === 0 || entries > MAX_ENTRIES) throw new PeerMisbehaved(address)
    query = { epoch: head.epoch, since: page.upTo }
  }
  throw new PeerMisbehaved(address)
}
