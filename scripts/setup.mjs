import { setUp } from './lib/set-up.mjs'
import { StepFailed } from './lib/steps.mjs'

// `npm run setup`: brings this clone and this machine to where the server can run. May be run again at any time.
try {
  await setUp()
} catch (error) {
  if (!(error instanceof StepFailed)) throw error
  process.exitCode = 1
}
