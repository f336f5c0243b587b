import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { Carriers } from '../../../src/session/carriers.ts'

class Line extends EventEmitter {
  destroyed = false
  destroy(): void {
    this.destroyed = true
    this.emit('close')
  }
}

test('the connections of a peer end, and nobody else’s', () => {
  const carriers = new Carriers()
  const [one, two, other] = [new Line(), new Line(), new Line()]
  for (const line of [one, one, two]) carriers.note('ben', line)
  carriers.note('chloe', other)
  carriers.end('ben')
  expect([one, two, other].map(({ destroyed }) => destroyed)).toEqual([true, true, false])
})

test('a connection that has closed is not remembered', () => {
  const carriers = new Carriers()
  const line = new Line()
  carriers.note('ben', line)
  line.emit('close')
  carriers.end('ben')
  expect(line.destroyed).toBe(false)
})

test('one listener does for any number of requests and peers of a connection', () => {
  const carriers = new Carriers()
  const line = new Line()
  for (let peer = 0; peer < 20; peer++) carriers.note(`peer ${peer % 3}`, line)
  expect(line.listenerCount('close')).toBe(1)
})
