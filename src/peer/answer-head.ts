/** The head of an HTTP/1.1 answer (RFC 9112), read strictly: a holder has no reason to send anything odd. */
import { SEALED_HEADER, SEALED_VALUE } from '../protocol/constants.ts'

/** Status line and headers together. */
export const MAX_HEAD_BYTES = 8 * 1024

const END = '\r\n\r\n'
const STATUS_LINE = /^HTTP\/1\.1 ([1-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/
const HEADER_LINE = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/
const LENGTH = /^\d{1,15}$/

export interface AnswerHead {
  readonly status: number
  /** Bytes of the body. */
  readonly length: number
  /** It says that it belongs to a session. */
  readonly sealed: boolean
  /** The connection ends with the answer. */
  readonly last: boolean
}

/** Gathers the head of one answer after the other, however it comes. */
export class HeadReader {
  readonly #bytes = Buffer.alloc(MAX_HEAD_BYTES)
  #filled = 0

  /**
   * @returns the head, and how many bytes of the chunk belong to it; undefined: it goes on.
   * @throws Error for anything that is no answer, or none that may be used.
   */
  push(chunk: Uint8Array): { readonly head: AnswerHead; readonly taken: number } | undefined {
    const before = this.#filled
    const part = chunk.subarray(0, MAX_HEAD_BYTES - before)
    this.#bytes.set(part, before)
    this.#filled += part.length
    const end = this.#bytes.subarray(0, this.#filled).indexOf(END, Math.max(0, before - END.length + 1), 'latin1')
    if (end < 0) {
      if (this.#filled === MAX_HEAD_BYTES) throw new Error('a head that is too long')
      return undefined
    }
    this.#filled = 0
    return { head: headOf(this.#bytes.toString('latin1', 0, end)), taken: end + END.length - before }
  }
}

const headOf = (text: string): AnswerHead => {
  const [first = '', ...lines] = text.split('\r\n')
  const status = Number(STATUS_LINE.exec(first)?.[1])
  if (Number.isNaN(status)) throw new Error('no answer of HTTP/1.1')
  if (status < 200 || status === 204 || (status >= 300 && status < 400)) throw new Error(`an answer with ${status}`)
  const headers = new Map<string, string[]>()
  for (const line of lines) {
    const [, name, value = ''] = HEADER_LINE.exec(line) ?? []
    if (name === undefined) throw new Error('a malformed header')
    const key = name.toLowerCase()
    headers.set(key, [...(headers.get(key) ?? []), value.trimEnd()])
  }
  for (const name of ['transfer-encoding', 'content-encoding']) {
    if (headers.has(name)) throw new Error(`an answer with ${name}`)
  }
  const [length = '', ...more] = headers.get('content-length') ?? []
  if (more.length > 0 || !LENGTH.test(length)) throw new Error('no single Content-Length')
  const sealed = headers.get(SEALED_HEADER) ?? []
  return {
    status,
    length: Number(length),
    sealed: sealed.length === 1 && sealed[0] === SEALED_VALUE,
    last: (headers.get('connection') ?? []).some((value) => /(?:^|,)[ \t]*close[ \t]*(?:,|$)/i.test(value)),
  }
}
