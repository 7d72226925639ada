import { cliPath } from '../lib/paths.mjs'

/** Builds the image of the default runtime with the server's own command, which does nothing when the image is up to date. */
export async function buildRuntimeImage(step) {
  step.doing('building the default runtime, if need be')
  const log = await step.run(process.execPath, [cliPath, 'build'])
  const lastLine = log.trimEnd().split('\n').at(-1) ?? ''
  return { summary: lastLine || 'up to date' }
}
