import { checkSuite } from './check-suites.mjs'
import { runInForeground } from './foreground.mjs'
import { machine } from './machine.mjs'
import { print } from './terminal.mjs'

const fuzzSeconds = 20

/** The supervisor's own tests, in C, under the sanitizers; then its fuzzer, for a bounded time. It is a program for Linux alone. */
export const cSuites = machine.isLinux
  ? [
      { name: 'supervisor', run: runCTests },
      checkSuite('supervisor fuzz', 'make', ['-C', 'supervisor', 'fuzz', `FUZZ_SECONDS=${fuzzSeconds}`]),
    ]
  : [{ name: 'supervisor', run: skipCTests }]

async function skipCTests() {
  print('skip: they need Linux')
  return { passed: 0, failed: 0, skipped: 1 }
}

async function runCTests() {
  const counts = { passed: 0, failed: 0, skipped: 0 }
  const args = ['--no-print-directory', '-C', 'supervisor', 'test']
  const code = await runInForeground('make', args, (line) => count(line, counts))
  if (code === 127) print('There is no make here. The C tests need make, gcc and the headers of libc (libc6-dev).')
  // A program that did not compile or that a sanitizer ended reports no failed test; neither does one that ran none.
  if (counts.failed === 0 && (code !== 0 || counts.passed === 0)) counts.failed = 1
  return counts
}

/** A line for one test ("ok name", "FAIL name"), for a table of them ("190 patterns, 0 failed"), for what could not be tried ("skip: why"). */
function count(line, counts) {
  const [, total, failed] = /^(\d+) [a-z ]+, (\d+) failed$/.exec(line) ?? []
  if (total !== undefined) {
    counts.passed += Number(total) - Number(failed)
    counts.failed += Number(failed)
  } else if (/^ok\s/.test(line)) counts.passed++
  else if (/^(FAIL|not ok)\s/.test(line)) counts.failed++
  else if (/^skip\b/.test(line)) counts.skipped++
}
