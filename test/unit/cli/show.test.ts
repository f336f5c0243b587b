import { EventEmitter } from 'node:events'
import { describe, expect, it } from 'vitest'
import { forTerminal, linePrinter } from '../../../src/cli/show.ts'

describe('forTerminal', () => {
  it('leaves text alone, in whatever script', () => {
    const text = 'ana’s laptop, Grüße, 日本語, العربية, עברית, 😀, a\u0301'
    expect(forTerminal(text)).toBe(text)
  })

  it('shows U+FFFD for all that is a command and not a character', () => {
    const commands = [
      '\0',
      '\u0007',
      '\b',
      '\t',
      '\n',
      '\r',
      '\u001b',
      '\u007f',
      '\u0085',
      '\u009b',
      '\u009d',
      '\u200e',
    ]
    commands.push(
      '\u200b',
      '\u200f',
      '\u061c',
      '\u202a',
      '\u202e',
      '\u2066',
      '\u2069',
      '\u2028',
      '\u2029',
      '\ufeff',
      '\ud800',
    )
    for (const command of commands) expect(forTerminal(`a${command}b`)).toBe('a\ufffdb')
    expect(forTerminal('\u001b[31mred\u001b[0m')).toBe('\ufffd[31mred\ufffd[0m')
  })
})

describe('linePrinter', () => {
  it('prints one line, whatever the text holds', () => {
    const { stream, written } = fakeStream()
    linePrinter(stream)('portmesh ready\nportmesh ready at \u001b[2J')
    expect(written).toEqual(['portmesh ready\ufffdportmesh ready at \ufffd[2J\n'])
  })

  it('stops writing to a stream that was closed', () => {
    const { stream, written } = fakeStream()
    const print = linePrinter(stream)
    print('one')
    stream.emit('error', new Error('EPIPE'))
    print('two')
    stream.emit('error', new Error('EPIPE'))
    expect(written).toEqual(['one\n'])
  })
})

const fakeStream = () => {
  const written: string[] = []
  const stream = Object.assign(new EventEmitter(), { write: (text: string) => written.push(text) > 0 })
  return { stream, written }
}
