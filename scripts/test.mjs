import { setUp } from './lib/set-up.mjs'
import { StepFailed } from './lib/steps.mjs'
import { closingLine, table } from './lib/test-report.mjs'
import { runSuites } from './lib/test-suites.mjs'
import { print } from './lib/terminal.mjs'

// `npm test`: set-up, then every check and test there is, a table of them, and "N passed, N failed[, N skipped]" as the last line.
// Arguments go to vitest: `npm test -- --project unit`, `npm test -- files`; then only vitest's tests are run.
const results = await testAll(process.argv.slice(2))
print(`\n${table(results)}\n`)
print(closingLine(results))
process.exitCode = results.some((result) => result.failed > 0) ? 1 : 0

async function testAll(args) {
  try {
    await setUp({ forTests: true })
    return await runSuites(args)
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error
    return [{ name: 'set-up', passed: 0, failed: 1, skipped: 0, ms: performance.now() }]
  }
}
