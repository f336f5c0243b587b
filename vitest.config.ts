import { defineConfig } from 'vitest/config'
import { ClosingLine } from './test/helpers/closing-line.ts'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    reporters: ['default', new ClosingLine()],
    // Real processes on a machine that may be busy; what hangs still ends.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    maxWorkers: 2,
  },
})
