/** What the machine does meanwhile: CPU time of processes and threads, memory, load. Linux only; elsewhere the figures are NaN. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'

/** Linux counts CPU time in hundredths of a second. */
const TICKS_PER_SECOND = 100
const KIB_A_MIB = 1024

const read = (file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** Fields of proc(5) `stat` from the third on: [11] and [12] are user and system time, [13] and [14] those of ended children. */
const statOf = (file: string): readonly number[] => read(file).split(') ')[1]?.split(' ').map(Number) ?? []

const seconds = (stat: readonly number[], ...fields: readonly number[]): number =>
  fields.reduce((sum, field) => sum + (stat[field] ?? 0), 0) / TICKS_PER_SECOND

/** CPU time of a process with all its threads; without its children. */
export const cpuOf = (pid: number): number => seconds(statOf(`/proc/${pid}/stat`), 11, 12)

/** CPU time of the children of this process that have ended. */
export const cpuOfEnded = (): number => seconds(statOf('/proc/self/stat'), 13, 14)

/** CPU time of a process, of its ended children, and of whoever descends from it and lives. */
export const cpuOfTree = (pid: number): number => {
  const children = read(`/proc/${pid}/task/${pid}/children`).trim().split(' ').filter(Boolean)
  return (
    seconds(statOf(`/proc/${pid}/stat`), 11, 12, 13, 14) +
    children.reduce((sum, child) => sum + cpuOfTree(Number(child)), 0)
  )
}

/** CPU time of each thread that lives, by its number. */
const threadsOf = (
  pid: number,
): readonly { readonly thread: string; readonly name: string; readonly cpu: number }[] => {
  const folder = `/proc/${pid}/task`
  try {
    return readdirSync(folder).map((thread) => {
      const name = read(`${folder}/${thread}/comm`).trim()
      return { thread, name: THREADS[name] ?? name, cpu: seconds(statOf(`${folder}/${thread}/stat`), 11, 12) }
    })
  } catch {
    return [] // It has gone.
  }
}

/** What Node calls its threads. */
const THREADS: Readonly<Record<string, string>> = {
  'node-MainThread': 'main thread',
  'node-V8Worker': 'garbage collector and compiler',
  'libuv-worker': 'thread pool',
  WorkerThread: 'workers',
}

export interface CpuUse {
  /** Seconds of all processes together. */
  readonly cpu: number
  /** Seconds by role and kind of thread. */
  readonly more: Readonly<Record<string, number>>
}

/** Watch the CPU time of processes from here on; each role may be played by several. */
export const watchCpu = (roles: Readonly<Record<string, readonly number[]>>): (() => CpuUse) => {
  const pids = Object.values(roles).flat()
  const before = new Map(pids.map((pid) => [pid, cpuOf(pid)]))
  const threadsBefore = new Map(pids.flatMap(threadsOf).map(({ thread, cpu }) => [thread, cpu]))
  return () => {
    const more: Record<string, number> = {}
    let all = 0
    for (const [role, played] of Object.entries(roles)) {
      const used = played.reduce((sum, pid) => sum + cpuOf(pid) - (before.get(pid) ?? 0), 0)
      all += used
      more[`CPU s, ${role}`] = used
      for (const { thread, name, cpu } of played.flatMap(threadsOf)) {
        if (cpu === 0) continue
        const kind = `CPU s, ${role}, ${name}`
        more[kind] = (more[kind] ?? 0) + cpu - (threadsBefore.get(thread) ?? 0)
      }
    }
    return { cpu: all, more }
  }
}

const memory = (pid: number, field: string): number =>
  Number(new RegExp(`${field}:\\s+(\\d+)`).exec(read(`/proc/${pid}/status`))?.[1] ?? Number.NaN) / KIB_A_MIB

/** MiB. */
export const residentOf = (pid: number): number => memory(pid, 'VmRSS')

/** The most that a process had resident since its start, or since `forgetPeakOf`; MiB. */
export const peakOf = (pid: number): number => memory(pid, 'VmHWM')

/** From now on `peakOf` begins anew (proc(5), clear_refs). */
export const forgetPeakOf = (pid: number): void => {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5')
  } catch {
    // Then the peak is the one since the start: never too low.
  }
}

/** Memory that a RAM disk may take; bytes. */
export const freeMemory = (): number =>
  Number(/MemAvailable:\s+(\d+)/.exec(read('/proc/meminfo'))?.[1] ?? 0) * KIB_A_MIB

/** CPU time of the whole machine since its start: what was busy. */
const busySeconds = (): number => {
  const [, user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] =
    read('/proc/stat').split('\n')[0]?.split(/\s+/).map(Number) ?? []
  return (user + nice + system + irq + softirq) / TICKS_PER_SECOND
}

export interface Load {
  /** Of all cores, 0 to 100. */
  readonly busyPercent: number
  /** CPU seconds of the machine that were busy. */
  readonly busySeconds: number
  /** How long it was watched. */
  readonly seconds: number
}

/** Watch the machine from here on. */
export const watchLoad = (): (() => Load) => {
  const [busy, began] = [busySeconds(), performance.now()]
  return () => {
    const used = busySeconds() - busy
    const seconds = (performance.now() - began) / 1_000
    const busyPercent = Math.min(100, (used / (seconds * cpus().length)) * 100)
    return { busyPercent, busySeconds: used, seconds }
  }
}

/** The load average of the last minute, as everybody knows it. */
export const loadAverage = (): string => (loadavg()[0] ?? Number.NaN).toFixed(1)

/** Whether there is such a process. */
export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
