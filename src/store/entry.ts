/** What Published keeps of one file that is not private. */
import type { Reach } from './reach.ts'
import type { Stamp } from './stamp.ts'
import type { PublishedRecord } from './tables.ts'

/** Never changed: other content under the same name is another object. */
export type PublishedFile = PublishedRecord

/** `changed`: published before, but the disk has something else now, or nothing. */
export type FileState = 'private' | 'preparing' | 'published' | 'changed'

export interface FileStatus {
  readonly name: string
  readonly state: FileState
  /** While it is prepared: bytes hashed and bytes in all, as soon as they are known. */
  readonly doneBytes?: number
  readonly totalBytes?: number
  readonly startedMs?: number
  /** What is published, or was last. */
  readonly file?: PublishedFile
}

/** One hashing that runs or waits. */
export interface Job {
  readonly abort: AbortController
  readonly startedMs: number
  /** The person asked: whatever the file holds now is published. Otherwise only what was published before. */
  wanted: boolean
  /** As the person said, for what was not published before. */
  reach: Reach | undefined
  doneBytes: number | undefined
  totalBytes: number | undefined
}

export interface Entry {
  readonly name: string
  state: Exclude<FileState, 'private'>
  /** As it is in the store. */
  file: PublishedFile | undefined
  /** What the disk said when `file` was hashed. */
  stamp: Stamp | undefined
  job: Job | undefined
  /** Settles with the job. */
  done: Promise<PublishedFile> | undefined
  /** Of a changed file: what the last look saw, and what was hashed again already. */
  seen: Stamp | undefined
  tried: Stamp | undefined
}

export const newEntry = (name: string, state: Entry['state'], file?: PublishedFile): Entry => ({
  name,
  state,
  file,
  stamp: undefined,
  job: undefined,
  done: undefined,
  seen: undefined,
  tried: undefined,
})

export const newJob = (wanted: boolean, startedMs: number, reach?: Reach): Job => ({
  abort: new AbortController(),
  startedMs,
  wanted,
  reach,
  doneBytes: undefined,
  totalBytes: undefined,
})

export const statusOf = ({ name, state, file, job }: Entry): FileStatus => ({
  name,
  state,
  ...(file && { file }),
  ...(state === 'preparing' && job && { startedMs: job.startedMs }),
  ...(job?.doneBytes !== undefined && { doneBytes: job.doneBytes }),
  ...(job?.totalBytes !== undefined && { totalBytes: job.totalBytes }),
})

const PROGRESS_TOLD_EVERY_MS = 250

/** Notes how far jobs are, and tells so from time to time. */
export const progressOf = (tell: () => void): ((job: Job) => (doneBytes: number, totalBytes: number) => void) => {
  let toldMs = Number.NEGATIVE_INFINITY
  return (job) => (doneBytes, totalBytes) => {
    job.doneBytes = doneBytes
    job.totalBytes = totalBytes
    const nowMs = performance.now()
    if (nowMs - toldMs < PROGRESS_TOLD_EVERY_MS) return
    toldMs = nowMs
    tell()
  }
}
