/** Text for a terminal: whatever others wrote stays text. */

/** C0 with ESC and line ends, DEL, C1, zero-width and bidirectional controls, line and paragraph separators. */
const UNSHOWABLE = /[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|\p{Cs}/gu

/** One line that cannot move the cursor, change colours or turn the reading direction: U+FFFD stands for what could. */
export const forTerminal = (text: string): string => text.replace(UNSHOWABLE, '\ufffd')

/** The part of a standard stream that we need. */
export interface Output {
  write(text: string): boolean
  on(event: 'error', listener: (error: Error) => void): unknown
}

/**
 * A function that prints one line. A stream that was closed (`portmesh | head -1`) takes no more lines and is no error:
 * a node goes on without an audience.
 */
export const linePrinter = (stream: Output): ((line: string) => void) => {
  let open = true
  stream.on('error', () => {
    open = false
  })
  return (line) => {
    if (open) stream.write(`${forTerminal(line)}\n`)
  }
}
