import { describe, expect, test } from 'vitest'
import { createDiffer, type Snapshot, toHtml } from '../../../../src/routes/user/live.ts'

const row = (id: string, html = id) => ({ id, html })
const snapshot = (
  rows: readonly { id: string; html: string }[],
  { counts = '', late = [] as typeof rows } = {},
): Snapshot => ({
  parts: [{ target: '#counts', html: counts }],
  list: { target: '#list', rows, late, wrap: (html) => `<ul>${html.join(',')}</ul>` },
})
const targets = (parts: readonly { target: string }[]) => parts.map(({ target }) => target)

describe('what is sent again', () => {
  test('first everything, then nothing as long as nothing changes', () => {
    const differ = createDiffer()
    expect(targets(differ(snapshot([row('a')])))).toEqual(['#counts', '#list'])
    expect(differ(snapshot([row('a')]))).toEqual([])
  })

  test('a row that changed is sent alone', () => {
    const differ = createDiffer()
    differ(snapshot([row('a'), row('b')]))
    expect(differ(snapshot([row('a'), row('b', 'b!')]))).toEqual([{ target: '#b', html: 'b!' }])
  })

  test('a new, a removed or a moved row brings the list', () => {
    const differ = createDiffer()
    differ(snapshot([row('a'), row('b')]))
    expect(targets(differ(snapshot([row('c'), row('a'), row('b')])))).toEqual(['#list'])
    expect(targets(differ(snapshot([row('c'), row('b')])))).toEqual(['#list'])
    expect(targets(differ(snapshot([row('b'), row('c')])))).toEqual(['#list'])
  })

  test('a row that went away is sent before the list, so that it finds its place', () => {
    const differ = createDiffer()
    differ(snapshot([row('a'), row('b')]))
    const parts = differ(snapshot([row('a')], { late: [row('b', 'gone')] }))
    expect(parts).toEqual([
      { target: '#b', html: 'gone' },
      { target: '#list', html: '<ul>a</ul>' },
    ])
    expect(differ(snapshot([row('a')], { late: [row('b', 'gone')] }))).toEqual([])
  })
})

test('parts go over the wire as htmx takes them', () => {
  expect(
    toHtml([
      { target: '#a', html: '<p>x</p>' },
      { target: '#live', html: '', swap: 'outerHTML' },
    ]),
  ).toBe(
    '<hx-partial hx-target="#a" hx-swap="outerMorph"><p>x</p></hx-partial><hx-partial hx-target="#live" hx-swap="outerHTML"></hx-partial>',
  )
})
