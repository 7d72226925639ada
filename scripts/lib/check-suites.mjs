import { runInForeground } from './foreground.mjs'
import { npm } from './npm.mjs'

/** Format, linter and types. */
export const staticChecks = checkSuite('static checks', ...npm('run', '--silent', 'check'))

/** A suite that passes or fails as a whole, by its exit code. */
export function checkSuite(name, command, args) {
  const run = async () => ({ passed: 0, failed: (await runInForeground(command, args)) === 0 ? 0 : 1, skipped: 0 })
  return { name, isCheck: true, run }
}
