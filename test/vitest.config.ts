import { resolve } from 'node:path'
import { defineConfig } from 'vitest/config'

/** Starts nothing; hands out the id of the run, and at the end asserts that nothing with that label is left on the engine. */
const NO_LEFTOVERS = 'test/helpers/no-leftovers.ts'
/** Installs the clients of others, which the project itself does not depend on. */
const INTEROP_PACKAGES = 'test/helpers/interop-packages.ts'

export default defineConfig({
  root: resolve(import.meta.dirname, '..'),
  test: {
    // A flaky test is a bug: there are no retries anywhere.
    retry: 0,
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts', 'test/contract/fake*.test.ts'],
          testTimeout: 5000,
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts', 'test/contract/!(fake)*.test.ts'],
          globalSetup: NO_LEFTOVERS,
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: NO_LEFTOVERS,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'faults',
          include: ['test/faults/*.test.ts'],
          globalSetup: NO_LEFTOVERS,
          testTimeout: 120_000,
          hookTimeout: 180_000,
          // Two servers and an engine in trouble at a time are what two cores can do.
          maxConcurrency: 2,
        },
      },
      {
        test: {
          name: 'interop',
          include: ['test/interop/*.test.ts'],
          globalSetup: [NO_LEFTOVERS, INTEROP_PACKAGES],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'security',
          include: ['test/security/**/*.test.ts'],
          globalSetup: NO_LEFTOVERS,
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
})
