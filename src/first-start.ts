/** What a home gets at its first start: an identity, and something to try things out with. */
import { generateIdentity, type Identity, identityFrom } from './crypto/identity.ts'
import type { Home } from './store/home.ts'
import type { Place } from './store/place.ts'
import { loadSecret, saveSecret } from './store/secret.ts'

/** The identity of a home; a new one where there is none. */
export const identityOf = async (folder: string): Promise<{ identity: Identity; isNew: boolean }> => {
  const secret = await loadSecret(folder)
  if (secret) return { identity: identityFrom(secret.seed, secret.modulus), isNew: false }
  const identity = await generateIdentity()
  await saveSecret(folder, identity)
  return { identity, isNew: true }
}

const WELCOME = `This is a sample, so that you can try portmesh out.

Press "Publish" beside it on your page: it appears on the page of everyone who runs portmesh on this computer,
and they can fetch it. "Unpublish" takes it out again; the file itself stays where it is, in your folder.
`

/** A new home that is empty gets a file to try things out with. */
export const welcome = async (home: Home, place: Place): Promise<void> => {
  const { files } = await home.walk()
  if (files.length > 0) return
  await place.receive(
    (async function* () {
      yield Buffer.from(WELCOME)
    })(),
    'Welcome to portmesh.txt',
  )
}
