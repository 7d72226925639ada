import { print, paint } from './terminal.mjs'
import { staticChecks } from './check-suites.mjs'
import { cSuites } from './c-suites.mjs'
import { vitestSuites } from './vitest-suites.mjs'

/**
 * Runs the suites one after the other, so that each has the machine to itself, and gives their results (see test-report.mjs). A failed
 * suite does not stop the next. With arguments for vitest only vitest's suites are run.
 */
export async function runSuites(vitestArgs) {
  const suites = vitestArgs.length > 0 ? vitestSuites(vitestArgs) : [staticChecks, ...cSuites, ...vitestSuites([])]
  const results = []
  for (const { name, run, isCheck = false } of suites) {
    print(`\n${paint('bold', `── ${name}`)}`)
    const startedMs = performance.now()
    const counts = await run()
    results.push({ name, isCheck, ...counts, ms: performance.now() - startedMs })
  }
  return results
}
