/** A vitest reporter: the last line of a run says how many tests passed and failed, and nothing else. */
import { writeFileSync } from 'node:fs'
import type { Reporter, SerializedError, TestModule } from 'vitest/node'

/** `.ci/run` names a file here and prints the line itself, after everything that npm may still say. */
const FILE = 'PORTMESH_CLOSING_LINE'

export class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    const counts = { passed: 0, failed: errors.length, skipped: 0, pending: 0 }
    for (const module of modules) {
      // A file that cannot be loaded, or whose hooks fail, has no tests that could say so.
      counts.failed += module.errors().length
      for (const suite of module.children.allSuites()) counts.failed += suite.errors().length
      for (const test of module.children.allTests()) counts[test.result().state] += 1
    }
    // What has neither passed nor failed by now was never run.
    const skipped = counts.skipped + counts.pending
    const line = `${counts.passed} passed, ${counts.failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
    const file = process.env[FILE]
    if (file) writeFileSync(file, `${line}\n`)
    else console.log(line)
  }
}
