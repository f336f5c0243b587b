/** One curl for each holder, each for its share of the file: what somebody would do by hand. nginx serves, without TLS. */
import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { findAll } from '../../test/helpers/find-program.ts'
import type { Lab } from '../../test/helpers/lab.ts'
import { exec, start } from './programs.ts'

const PORT = 8_080

export interface Curls {
  /** The nginx of holder 1, 2, ... */
  pid(holder: number): number
  /** Put a file where every nginx finds it. */
  place(path: string, name: string): Promise<void>
  /** Fetch it from all holders at once. @returns seconds */
  fetch(name: string, size: number): Promise<number>
  remove(name: string): Promise<void>
}

/** @returns undefined when nginx or curl is not installed */
export const startCurls = async (
  lab: Lab,
  folder: string,
  { holders, asker }: { readonly holders: number; readonly asker: number },
): Promise<Curls | undefined> => {
  const programs = findAll('nginx', 'curl')
  if (!programs) return undefined
  const served = (holder: number): string => join(folder, `served-${holder}`)
  const all = Array.from({ length: holders }, (_, at) => at + 1)
  const running = await Promise.all(
    all.map(async (holder) => {
      const own = served(holder)
      await mkdir(own)
      const configuration = join(own, 'nginx.conf')
      // Without a worker process: who is stopped is stopped whole.
      await writeFile(
        configuration,
        `daemon off; master_process off; pid ${own}/pid; error_log ${own}/error.log;
events { worker_connections 64; }
http {
  access_log off; sendfile on;
  client_body_temp_path ${own}/1; proxy_temp_path ${own}/2; fastcgi_temp_path ${own}/3; uwsgi_temp_path ${own}/4; scgi_temp_path ${own}/5;
  server { listen ${PORT}; root ${own}; }
}
`,
      )
      const [ip = 'ip', ...inside] = lab.inside(holder)
      return start(ip, [...inside, programs.nginx, '-c', configuration, '-p', own])
    }),
  )
  const target = (holder: number): string => join(folder, `from-${holder}`)
  return {
    pid: (holder) => running[holder - 1]?.pid ?? 0,
    place: async (path, name) => {
      for (const holder of all) await copyFile(path, join(served(holder), name))
    },
    fetch: async (name, size) => {
      const share = Math.ceil(size / holders)
      const [ip = 'ip', ...inside] = lab.inside(asker)
      const began = performance.now()
      await Promise.all(
        all.map(async (holder) => {
          const range = `${share * (holder - 1)}-${Math.min(size, share * holder) - 1}`
          const url = `http://${lab.address(holder)}:${PORT}/${name}`
          const words = ['-sS', '--fail', '-r', range, '-o', target(holder), url]
          await exec(ip, [...inside, programs.curl, ...words])
        }),
      )
      const seconds = (performance.now() - began) / 1_000
      for (const holder of all) await rm(target(holder))
      return seconds
    },
    remove: async (name) => {
      for (const holder of all) await rm(join(served(holder), name))
    },
  }
}
