/* What HTML and htmx do not do by themselves. Every page works without this file. */
;(() => {
  const TOAST_MS = 10_000
  const MAX_TOASTS = 3
  const NEW_WORD_MS = 700
  const SAID_EVERY_MS = 60_000
  const RETRY_MS = 3_000

  const byId = (id) => document.getElementById(id)
  const countOf = (number, one) => `${number} ${one}${number === 1 ? '' : 's'}`

  /* Lists. New entries come in at once when nobody is in the list and its head is in sight. Otherwise rows that are
     there keep their places, and the list's head offers the new ones. */

  const rowsOf = (list) => [...list.querySelectorAll(':is(.rows, .jobs) > li')]
  /** A row and the group it stands in. */
  const placesOf = (rows) => rows.map((row) => `${row.parentNode.id} ${row.id}`).join()
  const inUse = (list) => list.matches(':hover, :focus-within') || list.getBoundingClientRect().top < 0
  /** Lists that have not taken in what is new. */
  const behind = new Set()

  const offer = (list, number) => {
    const pill = list.querySelector('.fresh')
    pill.hidden = number === 0
    pill.previousElementSibling.hidden = number > 0
    pill.textContent = `Show ${countOf(number, `new ${pill.dataset.one}`)}`
  }

  /** What becomes of the news for one list: the whole, or only the rows that are there. */
  const settled = (task) => {
    const list = task.target
    const shown = new Map(rowsOf(list).map((row) => [row.id, row]))
    const next = rowsOf(task.fragment)
    const fresh = next.filter((row) => !shown.has(row.id)).length
    if (fresh > 0) say(countOf(fresh, `new ${list.querySelector('.fresh').dataset.one}`))
    behind.delete(list.id)
    if (!inUse(list) || placesOf(next) === placesOf([...shown.values()])) return [task]
    behind.add(list.id)
    offer(list, fresh)
    return next
      .filter((row) => shown.has(row.id))
      .map((row) => {
        const fragment = document.createDocumentFragment()
        fragment.append(row)
        return { ...task, fragment, target: shown.get(row.id) }
      })
  }

  const catchUp = () => {
    for (const id of behind) {
      const list = byId(id)
      if (!list) behind.delete(id)
      else if (!inUse(list)) {
        behind.delete(id)
        list.querySelector('.fresh').click()
      }
    }
  }
  for (const left of ['pointerout', 'focusout'])
    document.addEventListener(left, () => behind.size > 0 && setTimeout(catchUp, 100))

  /* Swaps: the list's decision, and the focus, which stays in its row whatever the row becomes. */

  let focused = ''
  let main
  document.addEventListener('htmx:before:swap', (event) => {
    const { ctx, tasks } = event.detail
    focused = document.activeElement?.closest('li[id]')?.id ?? ''
    main = document.activeElement?.closest('main')
    if (ctx.sourceElement?.id !== 'live') return
    // The last words of a stream that another one has replaced.
    if (!ctx.sourceElement.isConnected) return event.preventDefault()
    tasks.push(...tasks.splice(0).flatMap((task) => (task.target?.matches('.list') ? settled(task) : [task])))
  })
  document.addEventListener('htmx:after:swap', () => {
    noteWords()
    if (document.activeElement !== document.body) return
    const row = byId(focused)
    // Gone with its card: Tab goes on in the page.
    const place = row ? (row.querySelector('button') ?? row.querySelector('a') ?? row.closest('[tabindex]')) : main
    place?.focus({ preventScroll: true })
  })

  /* A button that has just changed its word ignores clicks, so that a double click does not undo what it did. */

  /** By the place: the same row, its first or second button. What was there before is another element, perhaps. */
  let words = new Map()
  const placeOf = (button) => {
    const row = button?.closest('li[id]')
    return row && `${row.id} ${[...row.querySelectorAll('button')].indexOf(button)}`
  }
  const noteWords = () => {
    const next = new Map()
    for (const button of document.querySelectorAll(':is(.rows, .own, .jobs) button')) {
      const place = placeOf(button)
      const word = button.textContent
      const known = words.get(place)
      const changedMs = known ? performance.now() : -NEW_WORD_MS
      if (place) next.set(place, known?.word === word ? known : { word, changedMs })
    }
    words = next
  }
  const isNewWord = (button) => {
    const known = words.get(placeOf(button))
    return known !== undefined && performance.now() - known.changedMs <= NEW_WORD_MS
  }
  for (const done of ['submit', 'click']) {
    document.addEventListener(
      done,
      (event) => {
        const button = done === 'submit' ? event.submitter : event.target.closest('button[popovertarget]')
        if (!isNewWord(button)) return
        event.preventDefault()
        event.stopImmediatePropagation()
      },
      true,
    )
  }

  /* Toasts: ten seconds, longer under the pointer or the focus, three at most. */

  const age = (toast) => {
    let timer
    const leave = () => {
      clearTimeout(timer)
      timer = setTimeout(() => toast.remove(), TOAST_MS)
    }
    for (const held of ['pointerenter', 'focusin']) toast.addEventListener(held, () => clearTimeout(timer))
    for (const left of ['pointerleave', 'focusout']) toast.addEventListener(left, leave)
    toast.addEventListener('htmx:finally:request', () => toast.remove())
    leave()
  }

  /** For those who do not see the list: a count, once a minute at most. */
  let saidMs = -SAID_EVERY_MS
  const say = (text) => {
    if (performance.now() - saidMs < SAID_EVERY_MS) return
    saidMs = performance.now()
    byId('said').textContent = text
  }

  /* The stream: when it breaks and does not come back, portmesh has stopped. */

  const isLive = (event) => event.target?.id === 'live' || event.detail?.ctx?.sourceElement?.id === 'live'
  const stopped = (is) => {
    byId('stopped').hidden = !is
  }
  document.addEventListener('htmx:sse:error', () => stopped(true))
  document.addEventListener('htmx:sse:after:connection', () => stopped(false))
  document.addEventListener('htmx:after:request', (event) => isLive(event) && stopped(false))
  document.addEventListener('htmx:error', (event) => {
    if (!isLive(event)) return
    stopped(true)
    // A stream that never began does not begin again by itself.
    if (byId('live')?.hasAttribute('hx-sse:connect'))
      setTimeout(() => window.htmx.process(byId('live'), true), RETRY_MS)
  })

  /* Keys. */

  document.addEventListener('keydown', (event) => {
    const search = byId('q')
    if (!search || event.ctrlKey || event.metaKey || event.altKey) return
    if (event.key === '/' && !event.target.closest('input, select, textarea')) {
      event.preventDefault()
      search.select()
    }
    if (event.key !== 'Escape' || event.target !== search) return
    event.preventDefault()
    if (search.value === '') return search.blur()
    search.value = ''
    search.dispatchEvent(new Event('input', { bubbles: true }))
  })

  document.addEventListener('DOMContentLoaded', () => {
    noteWords()
    new MutationObserver((records) => {
      for (const { addedNodes } of records) {
        for (const node of addedNodes) if (node.matches?.('.toast')) age(node)
      }
      const toasts = byId('toasts').children
      while (toasts.length > MAX_TOASTS) toasts[0].remove()
    }).observe(byId('toasts'), { childList: true })
  })
})()
