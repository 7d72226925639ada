import { writeShrinkwrap } from './lib/shrinkwrap.mjs'
import { StepFailed, Steps } from './lib/steps.mjs'
import { compileServer } from './steps/server.mjs'
import { buildAllSupervisors } from './steps/supervisor.mjs'

// npm runs this before `npm pack` and `npm publish`: the package holds what its users cannot make, as they may have no compiler.
const steps = new Steps()
try {
  await Promise.all([steps.run('server', [], compileServer), steps.run('supervisor', [], buildAllSupervisors)])
  writeShrinkwrap()
} catch (error) {
  if (!(error instanceof StepFailed)) throw error
  process.exitCode = 1
} finally {
  await steps.close()
}
