/** nginx and curl over TLS 1.3: what somebody would use who knows what he does. */
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { findAll } from '../../test/helpers/find-program.ts'
import { freePorts } from '../../test/helpers/process.ts'
import { cpuOfEnded, cpuOfTree } from './machine.ts'
import { exec, listensAt, start } from './programs.ts'
import type { Contender } from './rounds.ts'

/** A key and a certificate for 127.0.0.1, good for a day. */
const certify = async (openssl: string, folder: string): Promise<{ key: string; certificate: string }> => {
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')]
  const name = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1']
  await exec(openssl, ['req', ...kind, ...name, '-keyout', key, '-out', certificate])
  return { key, certificate }
}

/** @param path - the file that is fetched. @returns undefined when nginx, curl or openssl is not installed */
export const tlsPeer = async (folder: string, path: string): Promise<Contender | undefined> => {
  const programs = findAll('nginx', 'curl', 'openssl')
  if (!programs) return undefined
  const own = join(folder, 'nginx')
  await mkdir(own)
  const { key, certificate } = await certify(programs.openssl, own)
  const [port] = await freePorts(1)
  if (port === undefined) return undefined
  const configuration = join(own, 'nginx.conf')
  const served = join(path, '..')
  await writeFile(
    configuration,
    `daemon off; worker_processes 1; pid ${own}/pid; error_log ${own}/error.log;
${process.getuid?.() === 0 ? 'user root;' : ''}
events { worker_connections 64; }
http {
  access_log off; sendfile on; tcp_nopush on;
  client_body_temp_path ${own}/1; proxy_temp_path ${own}/2; fastcgi_temp_path ${own}/3; uwsgi_temp_path ${own}/4; scgi_temp_path ${own}/5;
  server {
    listen 127.0.0.1:${port} ssl; root ${served};
    ssl_protocols TLSv1.3; ssl_certificate ${certificate}; ssl_certificate_key ${key};
  }
}
`,
  )
  const nginx = start(programs.nginx, ['-c', configuration, '-p', own])
  await listensAt(port)
  const target = join(folder, 'from-nginx')
  const url = `https://127.0.0.1:${port}/${path.slice(served.length + 1)}`
  return {
    name: 'nginx TLS + curl + openssl dgst',
    run: async () => {
      const cpu = cpuOfTree(nginx.pid ?? 0) + cpuOfEnded()
      const curl = await exec(programs.curl, ['-sS', '--fail', '--cacert', certificate, '-o', target, url])
      const hash = await exec(programs.openssl, ['dgst', '-sha256', target])
      const used = cpuOfTree(nginx.pid ?? 0) + cpuOfEnded() - cpu
      await rm(target)
      return { seconds: curl.seconds + hash.seconds, cpu: used, more: { 'curl alone': curl.seconds } }
    },
  }
}
