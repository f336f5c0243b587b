import { EventEmitter } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { runNode } from '../../../src/cli/start.ts'
import { aborted, stopRequested } from '../../../src/cli/stop.ts'

class Source extends EventEmitter {
  ppid = 7
  connected: boolean | undefined
}

const listening = ({ byNpm = false, source = new Source() } = {}) => {
  let nowMs = 1_000
  const forced: number[] = []
  const { signal } = stopRequested(source, {
    byNpm,
    force: () => forced.push(nowMs),
    now: () => nowMs,
    parentPollMs: 5,
  })
  const at = (milliseconds: number, event: string) => {
    nowMs = 1_000 + milliseconds
    source.emit(event)
  }
  return { source, signal, forced, at }
}

describe('stopRequested', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'])('hears %s', (event) => {
    const { signal, at } = listening()
    expect(signal.aborted).toBe(false)
    at(0, event)
    expect([signal.aborted, signal.reason]).toEqual([true, event])
  })

  it('takes a second SIGINT within 500 ms for the same one, and a later one for the wish to end at once', () => {
    const { at, forced } = listening()
    at(0, 'SIGINT')
    at(3, 'SIGINT')
    at(500, 'SIGINT')
    expect(forced).toEqual([])
    at(501, 'SIGINT')
    expect(forced).toEqual([1_501])
  })

  it('does not end at once for the first SIGINT after a SIGTERM, nor for any number of others', () => {
    const { at, forced } = listening()
    at(0, 'SIGTERM')
    at(2_000, 'SIGTERM')
    at(3_000, 'SIGHUP')
    at(4_000, 'SIGINT')
    expect(forced).toEqual([])
  })

  it('hears that the channel to its starter has closed, also when that was before', () => {
    const { signal, at } = listening()
    at(0, 'disconnect')
    expect(signal.aborted).toBe(true)
    const source = new Source()
    source.connected = false
    expect(listening({ source }).signal.aborted).toBe(true)
    source.connected = true
    expect(listening({ source }).signal.aborted).toBe(false)
  })

  it('notices that npm is gone, and only when npm has started it', async () => {
    const started = listening({ byNpm: true })
    const alone = listening()
    await sleep(20)
    expect(started.signal.aborted).toBe(false)
    started.source.ppid = 1
    alone.source.ppid = 1
    await aborted(started.signal)
    expect(started.signal.reason).toBe('npm is gone')
    expect(alone.signal.aborted).toBe(false)
  })
})

describe('runNode', () => {
  const recorded = (start: () => Promise<void> = async () => {}) => {
    const calls: string[] = []
    const node = {
      start: async () => {
        calls.push('start')
        await start()
      },
      stop: async () => void calls.push('stop'),
    }
    return { calls, node }
  }

  it('starts, waits for the signal, stops', async () => {
    const { calls, node } = recorded()
    const stop = new AbortController()
    const run = runNode(async () => node, stop.signal)
    await sleep(5)
    expect(calls).toEqual(['start'])
    stop.abort()
    await run
    expect(calls).toEqual(['start', 'stop'])
  })

  it('creates nothing when it is to stop already', async () => {
    await runNode(() => Promise.reject(new Error('was created')), AbortSignal.abort())
  })

  it('stops a node whose start fails, and says why', async () => {
    const { calls, node } = recorded(() => Promise.reject(new Error('no')))
    await expect(runNode(async () => node, new AbortController().signal)).rejects.toThrow('no')
    expect(calls).toEqual(['start', 'stop'])
  })

  it('does not start a node that was asked to stop while it was created', async () => {
    const { calls, node } = recorded()
    const stop = new AbortController()
    const run = runNode(async () => {
      stop.abort()
      return node
    }, stop.signal)
    await run
    expect(calls).toEqual(['stop'])
  })

  it('counts a start that fails because of the stop as no failure', async () => {
    const stop = new AbortController()
    const { calls, node } = recorded(async () => {
      stop.abort()
      throw new Error('interrupted')
    })
    await runNode(async () => node, stop.signal)
    expect(calls).toEqual(['start', 'stop'])
  })

  it('does not wait for ever for a start that hangs', async () => {
    const { calls, node } = recorded(() => new Promise(() => {}))
    const stop = new AbortController()
    const run = runNode(async () => node, stop.signal)
    await sleep(5)
    stop.abort()
    await run
    expect(calls).toEqual(['start', 'stop'])
  })
})
