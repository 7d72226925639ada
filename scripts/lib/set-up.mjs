import { Steps } from './steps.mjs'
import { bootstrapBaseSystem } from '../steps/base-system.mjs'
import { ensureBaseImage } from '../steps/base-image.mjs'
import { describeEngine, discoverEngine, startEngine } from '../steps/engine.mjs'
import { installNpmPackages } from '../steps/npm-packages.mjs'
import { buildRuntimeImage } from '../steps/runtime-image.mjs'
import { compileServer } from '../steps/server.mjs'
import { buildSupervisor } from '../steps/supervisor.mjs'
import { surveyMachine } from '../steps/survey.mjs'
import { installSystemPackages } from '../steps/system-packages.mjs'

/**
 * Brings a machine from a fresh clone to a server that can run: what is done already is left alone, and what does not depend on each
 * other runs at the same time. With `forTests` also what the C tests are compiled with. Tells about it on stdout. Gives the engine's `api`,
 * or fails with StepFailed once everything that was begun has ended.
 */
export async function setUp({ forTests = false } = {}) {
  const steps = new Steps()
  try {
    return await runAll(steps, forTests)
  } finally {
    await steps.close()
  }
}

async function runAll(steps, forTests) {
  const packages = steps.run('npm packages', [], installNpmPackages)
  const server = steps.run('server', [packages], compileServer)

  const survey = steps.run('machine', [], () => surveyMachine({ forTests }))
  const tools = steps.run('system packages', [survey], (step, { packages }) => installSystemPackages(step, packages))
  const rootfs = steps.run('base system', [survey, tools], async (step, { mustBootstrap }) => {
    if (!mustBootstrap) return {}
    const value = await bootstrapBaseSystem(step)
    return { summary: 'root file system made', value }
  })

  // Only this machine's own engine is known without the server's discovery.
  const discovery = survey.then(({ api }) => (api ? undefined : server))
  const engine = steps.run('engine', [survey, tools, discovery], async (step, { api, mustStart }) => {
    if (mustStart) await startEngine(step, api)
    return describeEngine(api ?? (await discoverEngine()))
  })
  const base = steps.run('base image', [engine, rootfs], ensureBaseImage)
  const supervisor = steps.run('supervisor', [engine, packages], buildSupervisor)
  await steps.run('runtime image', [server, supervisor, base], buildRuntimeImage)
  const { api } = await engine
  return { api }
}
