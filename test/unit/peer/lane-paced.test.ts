import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Pace } from '../../../src/allowance.ts'
import { asking, CONTENT, headFor, sealedBody, startHolder, whole } from './lane-fixture.ts'

/** Lets through what it is told to, and counts. */
const turnpike = (sliceBytes: number, waitMs: (bytes: number) => number) => {
  const taken: number[] = []
  const pace: Pace = {
    sliceBytes,
    take: (bytes) => {
      taken.push(bytes)
      const ms = waitMs(bytes)
      return ms > 0 ? sleep(ms) : undefined
    },
  }
  return { pace, taken, sum: () => taken.reduce((all, bytes) => all + bytes, 0) }
}

test('every byte of a paced answer is asked for, slice by slice, and it is the same content', async () => {
  const holder = await startHolder(({ socket, exchange }) => void socket.write(whole(exchange)))
  const { pace, taken, sum } = turnpike(50_000, () => 0)
  const { get } = asking({}, pace)
  let wire = 0
  for (let time = 0; time < 3; time++) {
    expect((await get(holder.address)).content.equals(CONTENT)).toBe(true)
    const length = sum() - wire
    wire = sum()
    // The head of HTTP comes with it.
    expect(length).toBeGreaterThan(CONTENT.length)
    expect(length).toBeLessThan(CONTENT.length + 1_000)
  }
  expect(Math.max(...taken)).toBe(50_000)
  expect(holder.connections).toBe(1)
})

test('nothing more is read while an answer has to wait, and it is not taken for slow because of us', async () => {
  const holder = await startHolder(({ socket, exchange }) => void socket.write(whole(exchange)))
  // As slow as a broken one by far, but for what we hold up.
  const slowBytes = CONTENT.length
  const { pace, taken } = turnpike(400_000, () => 150)
  const { get } = asking({ slowMs: 300, slowBytes }, pace)
  const began = performance.now()
  expect((await get(holder.address)).content.equals(CONTENT)).toBe(true)
  expect(performance.now() - began).toBeGreaterThan((taken.length - 1) * 145)
  expect(taken.length).toBeGreaterThan(4)
})

test('a holder that drips is given up, however often it has to wait a little for us', async () => {
  const holder = await startHolder(({ socket, exchange }) => {
    const body = sealedBody(exchange)
    socket.write(headFor(body.length))
    let at = 0
    const drip = setInterval(() => {
      socket.write(body.subarray(at, at + 10))
      at += 10
    }, 20)
    socket.once('close', () => clearInterval(drip))
  })
  const { get } = asking({ slowMs: 300, slowBytes: 65_536 }, turnpike(1_000, () => 2).pace)
  expect(await get(holder.address)).toMatchObject({ code: 'PM_PEER_UNREACHABLE' })
})

test('whoever waits can be stopped at once', async () => {
  const holder = await startHolder(({ socket, exchange }) => void socket.write(whole(exchange)))
  const { get } = asking({}, turnpike(10_000, () => 60_000).pace)
  const stop = new AbortController()
  const got = get(holder.address, { signal: stop.signal })
  await sleep(300)
  const began = performance.now()
  stop.abort(new Error('stopped'))
  expect((await got).error).toMatchObject({ message: 'stopped' })
  expect(performance.now() - began).toBeLessThan(1_000)
})
