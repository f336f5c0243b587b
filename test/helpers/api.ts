/** A program that talks JSON with nodes, as anybody's script would. */
import { setTimeout as sleep } from 'node:timers/promises'

export interface NodeJson {
  readonly id: string
  readonly name: string
  readonly address: string
  readonly alive: boolean
  readonly count: number
  readonly files: readonly { readonly name: string; readonly hash: string; readonly root: string }[]
}

export interface CatalogueJson {
  readonly total: number
  readonly files: readonly {
    readonly root: string
    readonly hash: string
    readonly size: number
    readonly names: readonly string[]
    readonly holders: readonly { readonly address: string; readonly name: string; readonly alive: boolean }[]
    readonly mine: boolean
  }[]
}

export interface PublishedJson {
  readonly name: string
  readonly size: number
  readonly hash: string
  readonly root: string
  readonly alreadyOn: readonly string[]
  readonly alsoHere: readonly string[]
}

/** GET or POST, the JSON of a 2xx; throws with status and body otherwise. */
export const ask = async <Json>(base: string, path: string, method: 'GET' | 'POST' = 'GET'): Promise<Json> => {
  const answer = await fetch(new URL(path, base), { method })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
  return JSON.parse(text)
}

export const nodesOf = async (url: string): Promise<readonly NodeJson[]> =>
  (await ask<{ nodes: NodeJson[] }>(url, '/nodes')).nodes

export const catalogueOf = async (url: string): Promise<CatalogueJson> => await ask(url, '/getfile/available?size=1000')

export const publish = async (url: string, name: string): Promise<PublishedJson> =>
  await ask(url, `/myfiles/${encodeURIComponent(name)}/upload`, 'POST')

/** Ask until the answer is the wanted one; throws with the last answer when it does not come in time. */
export const until = async <Value>(
  look: () => Promise<Value>,
  wanted: (value: Value) => boolean,
  withinMs = 10_000,
): Promise<Value> => {
  const end = performance.now() + withinMs
  for (;;) {
    const value = await look()
    if (wanted(value)) return value
    if (performance.now() > end) throw new Error(`not in time: ${JSON.stringify(value)}`)
    await sleep(20)
  }
}
