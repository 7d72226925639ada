import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

import { runInForeground } from './foreground.mjs'
import { ensureCacheDir, root } from './paths.mjs'

/** vitest's projects (test/vitest.config.ts), from what needs least to what needs most. */
const projects = ['unit', 'integration', 'e2e', 'faults', 'interop', 'security']

const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')

/** One suite for each project that `--project` in the arguments names, or for all of them; the other arguments go to vitest. */
export function vitestSuites(args) {
  const { chosen, rest } = splitProjects(args)
  // A filter may well match nothing in some of the projects; without one, a project without tests is a fault.
  const extra = rest.length > 0 ? [...rest, '--passWithNoTests'] : []
  return (chosen.length > 0 ? chosen : projects).map((name) => ({ name, run: () => runProject(name, extra) }))
}

async function runProject(project, extra) {
  const reportPath = join(ensureCacheDir(), `vitest-${project}.json`)
  rmSync(reportPath, { force: true })
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportPath}`]
  const command = [vitest, 'run', '--config', 'test/vitest.config.ts', '--project', project, ...reporters, ...extra]
  const code = await runInForeground(process.execPath, command)
  const counts = existsSync(reportPath) ? countReport(JSON.parse(readFileSync(reportPath, 'utf8'))) : noCounts()
  // Something beside the tests failed: a file that does not load, a hook, an unhandled rejection, what was left behind.
  if (code !== 0 && counts.failed === 0) counts.failed = 1
  return counts
}

/** The totals in the report of vitest's json reporter. A file that failed as a whole (it does not load, or a hook failed) is a failure too. */
function countReport({ numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults }) {
  const failedFiles = testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && !assertionResults.some((assertion) => assertion.status === 'failed'),
  )
  return {
    passed: numPassedTests,
    failed: numFailedTests + failedFiles.length,
    skipped: numPendingTests + numTodoTests,
  }
}

function noCounts() {
  return { passed: 0, failed: 0, skipped: 0 }
}

/** Takes `--project NAME` and `--project=NAME` out of the arguments. */
function splitProjects(args) {
  const chosen = []
  const rest = []
  for (let index = 0; index < args.length; index++) {
    const [flag, value] = args[index].split('=', 2)
    if (flag !== '--project') rest.push(args[index])
    else chosen.push(value ?? args[++index])
  }
  return { chosen, rest }
}
