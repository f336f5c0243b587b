/** What a program asks of a node about the others, and what it says of them. */
import { ask, type NodeJson, until } from './api.ts'
import { postJson } from './stranger.ts'

export interface KnownJson extends NodeJson {
  readonly petname: string | null
  readonly fingerprint: string
  readonly blocked: boolean
  readonly firstMet: string
  readonly lied: { readonly at: string; readonly code: string } | null
  readonly warning: { readonly kind: string; readonly other: { readonly id: string; readonly firstMet: string } } | null
  readonly copies: readonly string[]
}

export const knownBy = async (url: string, id: string): Promise<KnownJson | undefined> =>
  (await ask<{ nodes: KnownJson[] }>(url, '/nodes')).nodes.find((node) => node.id === id)

/** Wait until a node knows another one as it should. */
export const knows = async (
  url: string,
  id: string,
  wanted: (node: KnownJson) => boolean = () => true,
  withinMs = 15_000,
): Promise<KnownJson> => {
  const found = await until(
    () => knownBy(url, id),
    (node) => node !== undefined && wanted(node),
    withinMs,
  )
  if (!found) throw new Error('not there')
  return found
}

/** POST of a program. @returns the status, and the code of an error. */
export const say = async (
  url: string,
  id: string,
  what: 'name' | 'block' | 'unblock' | 'forget' | 'trust-again',
  body: object = {},
): Promise<{ status: number; code: string | undefined }> => {
  const { status, code } = await postJson(url, `/nodes/${id}/${what}`, body)
  return { status, code }
}
