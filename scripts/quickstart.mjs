import { setUp } from './lib/set-up.mjs'
import { StepFailed } from './lib/steps.mjs'

// `npm run quickstart`: set-up, then a first session with the server, over stdio as mcp.json says.
try {
  const { api } = await setUp()
  // Only now: it needs the npm packages.
  const { tour } = await import('./lib/tour.mjs')
  await tour(api)
} catch (error) {
  if (!(error instanceof StepFailed)) throw error
  process.exitCode = 1
}
