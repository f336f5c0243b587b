/** Where other programs lie. */
import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'

/** Servers, and what root uses, lie where not everybody's PATH looks. */
const MORE_FOLDERS = ['/usr/sbin', '/sbin', '/usr/local/sbin']

/** The path of a program; undefined when it is not installed. */
export const find = (name: string): string | undefined =>
  [...(process.env.PATH ?? '').split(':'), ...MORE_FOLDERS]
    .map((folder) => join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK)
        return true
      } catch {
        return false
      }
    })

/** The paths of all of them; undefined when one is missing. */
export const findAll = <Name extends string>(...names: readonly Name[]): Record<Name, string> | undefined => {
  const found = names.map((name) => [name, find(name)] as const)
  const missing = found.filter(([, path]) => path === undefined)
  if (missing.length > 0) return undefined
  return Object.fromEntries(found) as Record<Name, string>
}
