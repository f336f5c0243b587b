/** Names of computers, as people mix them up: which two look the same, and which one a person may give. */

/** Signs that look like a Latin letter: Greek and Cyrillic ones, digits. After lower case and without marks. */
const LOOK_ALIKES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    a: 'αа',
    b: 'ьв8',
    c: 'сϲ',
    d: 'ԁ',
    e: 'еҽ3',
    f: 'ϝ',
    g: 'ց9',
    h: 'һн',
    j: 'јϳ',
    k: 'κк',
    // A capital i is a small l, and so is a one.
    l: 'i1|!ιіӏı',
    m: 'м',
    n: 'ηп',
    o: 'ο0оσօ',
    p: 'ρр',
    q: 'ԛ',
    r: 'гꭇ',
    s: 'ѕ5',
    t: 'τт7',
    u: 'υս',
    v: 'νѵ',
    w: 'ωѡԝ',
    x: 'χх',
    y: 'γуү',
    z: 'ζ2',
  }).flatMap(([letter, signs]) => [...signs].map((sign): [string, string] => [sign, letter])),
)

/** Spaces, punctuation, marks, and what nobody sees. */
const UNSEEN = /[\p{Z}\p{P}\p{M}\p{C}\p{Default_Ignorable_Code_Point}]/gu
const ROUNDS = 4
const MAX_PETNAME_BYTES = 64
/** As pages replace it in foreign names: what moves or hides the text beside it. */
const UNSHOWABLE = /[\p{Cc}\p{Cf}\u2028\u2029]/gu

/**
 * What is left of a name when everything is taken away that a hurried person does not see (in the spirit of UTS 39, section 4,
 * and coarser): case, width, accents, spaces, punctuation, letters of other alphabets that look the same. Only good for comparing.
 */
export const skeletonOf = (name: string): string => {
  const whole = name.toWellFormed().normalize('NFKC').trim()
  let now = whole
  // Lower case brings marks, and taking marks away letters to be folded: a few rounds until nothing changes.
  for (let round = 0; round < ROUNDS; round++) {
    const next = folded(now)
    if (next === now) break
    now = next
  }
  // A name of nothing but signs is compared as it is.
  return now === '' ? whole : now
}

/** True when a person could take one name for the other. */
export const looksLike = (a: string, b: string): boolean => skeletonOf(a) === skeletonOf(b)

/**
 * The name a person typed, as it is kept.
 * @returns empty when it is to be taken away; undefined when it is longer than 64 bytes
 */
export const petnameOf = (text: string): string | undefined => {
  const name = text.toWellFormed().normalize('NFC').replace(UNSHOWABLE, ' ').replace(/\s+/g, ' ').trim()
  return Buffer.byteLength(name) <= MAX_PETNAME_BYTES ? name : undefined
}

const folded = (text: string): string => {
  const letters = text.toUpperCase().toLowerCase().normalize('NFKD').replace(UNSEEN, '')
  return [...letters]
    .map((letter) => LOOK_ALIKES.get(letter) ?? letter)
    .join('')
    .replaceAll('rn', 'm')
    .replaceAll('vv', 'w')
}
