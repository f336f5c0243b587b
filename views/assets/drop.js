/* Files that are dropped on the page or chosen: sent one after the other with progress, then published or asked about.
   Without this file the forms send what is chosen. */
;(() => {
  /** Text changes at most twice a second, and what is done sooner than this is not announced. */
  const TOLD_EVERY_MS = 500
  const SHOWN_AFTER_MS = 100

  const byId = (id) => document.getElementById(id)
  const countOf = (number, one) => `${number.toLocaleString('en')} ${one}${number === 1 ? '' : 's'}`
  /** A foreign name stands by itself, whatever its direction. */
  const isolated = (name) => Object.assign(document.createElement('bdi'), { textContent: name })

  /* Sending. One file a request and one request at a time: a browser has six connections to a node, and a file that
     cannot be kept spoils no other. */

  let sending
  const add = (files, publish) => {
    if (files.length === 0) return
    if (!sending) {
      sending = { waiting: [], names: [], failures: [], publish, bytes: 0, sentBytes: 0, count: 0, toldMs: 0 }
      queueMicrotask(run)
    }
    const { waiting } = sending
    for (const each of files) {
      waiting.push(each)
      sending.bytes += each.file.size
    }
    sending.count += files.length
    // What is asked for both ways in one go is asked about once more.
    sending.publish &&= publish
  }

  const run = async () => {
    const timer = setTimeout(() => {
      byId('sending').hidden = false
    }, SHOWN_AFTER_MS)
    for (let next = sending.waiting.shift(); next; next = sending.waiting.shift()) {
      tell(next, 0, true)
      try {
        sending.names.push(await send(next))
      } catch ({ why, last }) {
        if (why) sending.failures.push({ name: next.path, why })
        if (last) sending.failures.push(...sending.waiting.splice(0).map(({ path }) => ({ name: path, why })))
      }
      sending.sentBytes += next.file.size
    }
    clearTimeout(timer)
    byId('sending').hidden = true
    const { names, failures, publish } = sending
    sending = undefined
    if (failures.length > 0) complain(failures)
    if (names.length > 0) ask(names, publish)
  }

  /** @returns the name it got. Throws why it was not kept (nothing: stopped by the person), and whether others would fare alike. */
  const send = ({ file, path }) =>
    new Promise((resolve, reject) => {
      const body = new FormData()
      body.append('files', file, path)
      const request = new XMLHttpRequest()
      sending.stop = () => request.abort()
      request.open('POST', '/myfiles')
      request.responseType = 'json'
      request.setRequestHeader('Accept', 'application/json')
      request.upload.onprogress = ({ loaded }) => tell({ file, path }, Math.min(loaded, file.size))
      request.onload = () => {
        const { files, error } = request.response ?? {}
        if (files) resolve(files[0].name)
        else reject({ why: error?.message ?? 'the answer was not understood', last: request.status >= 500 })
      }
      request.onabort = () => reject({})
      request.onerror = async () => {
        const readable = await file
          .slice(0, 1)
          .arrayBuffer()
          .then(Boolean, () => false)
        reject(readable ? { why: 'portmesh did not take it', last: true } : { why: 'it cannot be read' })
      }
      request.send(body)
    })

  const tell = ({ path }, loaded, anyway) => {
    const { count, waiting, bytes, sentBytes } = sending
    const percent = bytes === 0 ? 0 : Math.floor((100 * (sentBytes + loaded)) / bytes)
    byId('sending').querySelector('progress').value = percent
    if (!anyway && performance.now() - sending.toldMs < TOLD_EVERY_MS) return
    sending.toldMs = performance.now()
    const what = count === 1 ? isolated(path) : `${count - waiting.length} of ${countOf(count, 'file')}`
    byId('sending').querySelector('b').replaceChildren('Adding ', what, `, ${percent} %`)
  }

  const complain = (failures) => {
    const [{ name, why }] = failures
    const toast = Object.assign(document.createElement('div'), { className: 'toast bad', role: 'alert' })
    const text = document.createElement('span')
    const were = failures.length === 1 ? 'was' : `and ${countOf(failures.length - 1, 'other')} were`
    text.append(isolated(name), ` ${were} not added: ${why}.`)
    toast.append(text)
    byId('toasts').append(toast)
  }

  /* What is in the folder now: published if that was the button, else asked about. */

  const ask = (names, publish) => {
    const note = byId('kept')
    const form = note.querySelector('form')
    for (const name of names) {
      form.append(Object.assign(document.createElement('input'), { type: 'hidden', name: 'name', value: name }))
    }
    if (publish && note.hidden) return form.requestSubmit()
    const inputs = form.querySelectorAll('[type=hidden]')
    const many = inputs.length > 1
    const what = many ? countOf(inputs.length, 'file') : isolated(inputs[0].value)
    note.querySelector('b').replaceChildren(what, ` ${many ? 'are' : 'is'} in your folder, still private`)
    form.querySelector('button').textContent = many ? `Publish ${countOf(inputs.length, 'file')}` : 'Publish'
    note.hidden = false
    byId('said').textContent = note.querySelector('b').textContent
  }
  const answered = () => {
    byId('kept').hidden = true
    for (const input of byId('kept').querySelectorAll('[type=hidden]')) input.remove()
  }

  /* Dropping. The whole page is the target. */

  const hasFiles = (event) => byId('drop') && event.dataTransfer?.types.includes('Files')
  const over = (is) => {
    byId('drop').hidden = !is
  }
  /** The element under the pointer: who leaves it without entering another one has left the page. */
  let entered
  for (const moved of ['dragenter', 'dragover']) {
    document.addEventListener(moved, (event) => {
      if (!hasFiles(event)) return
      event.preventDefault()
      event.dataTransfer.dropEffect = 'copy'
      over(true)
      if (moved === 'dragenter') entered = event.target
    })
  }
  document.addEventListener('dragleave', ({ target }) => byId('drop') && target === entered && over(false))
  document.addEventListener('drop', async (event) => {
    if (!hasFiles(event)) return
    event.preventDefault()
    over(false)
    // Both are gone after the first wait.
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean)
    const plain = [...event.dataTransfer.files].map((file) => ({ file, path: file.name }))
    const failures = []
    const found = entries.length > 0 ? await Array.fromAsync(allIn(entries, '', failures)) : plain
    if (found.length === 0 && failures.length === 0) failures.push({ name: entries[0]?.name ?? '', why: 'it is empty' })
    if (failures.length > 0) complain(failures)
    add(found, false)
  })

  const promised = (begin) => new Promise(begin)
  async function* allIn(entries, folder, failures) {
    for (const entry of entries) {
      const path = folder + entry.name
      try {
        if (entry.isFile) yield { path, file: await promised((done, fail) => entry.file(done, fail)) }
        else yield* allIn(await visibleIn(entry), `${path}/`, failures)
      } catch {
        failures.push({ name: path, why: 'it cannot be read' })
      }
    }
  }

  /** A hundred come at a time; what a folder hides (.DS_Store) stays where it is. */
  const visibleIn = async (folder) => {
    const reader = folder.createReader()
    const all = []
    for (;;) {
      const some = await promised((done, fail) => reader.readEntries(done, fail))
      if (some.length === 0) return all
      all.push(...some.filter(({ name }) => !name.startsWith('.')))
    }
  }

  /* Choosing, stopping, answering. */

  document.addEventListener('change', ({ target }) => {
    if (target.type !== 'file') return
    add(
      [...target.files].map((file) => ({ file, path: file.name })),
      target.form.action.includes('publish=1'),
    )
    // The same file can be chosen again.
    target.value = ''
  })
  document.addEventListener('click', ({ target }) => {
    if (target.closest('#sending button') && sending) {
      sending.waiting.length = 0
      sending.stop()
    }
    if (target.closest('#keep')) answered()
  })
  document.addEventListener('htmx:finally:request', ({ target }) => target.closest?.('#kept') && answered())
  addEventListener('beforeunload', (event) => sending && event.preventDefault())
})()
