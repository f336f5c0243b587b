/** How far a published file is seen, and from where somebody asks for it. */

/** `computer`: by the nodes of this computer only. `network`: by every node that reaches this one. */
export const REACHES = ['computer', 'network'] as const
export type Reach = (typeof REACHES)[number]

/** Whether a file may be seen from there. */
export const isSeen = (file: { readonly reach: Reach }, from: Reach): boolean =>
  from === 'computer' || file.reach === 'network'

export const isReach = (text: unknown): text is Reach => REACHES.some((reach) => reach === text)
