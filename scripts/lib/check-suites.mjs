import { runInForeground } from './command.mjs'

const fuzzSeconds = 20

/** What passes or fails as a whole: format, linter and types; the fuzzer of the supervisor's parser, for a bounded time. */
export function checkSuites() {
  return [
    check('static checks', 'npm', ['run', '--silent', 'check']),
    check('supervisor fuzz', 'make', ['-C', 'supervisor', 'fuzz', `FUZZ_SECONDS=${fuzzSeconds}`]),
  ]
}

function check(name, command, args) {
  const run = async () => ({ passed: 0, failed: (await runInForeground(command, args)) === 0 ? 0 : 1, skipped: 0 })
  return { name, isCheck: true, run }
}
