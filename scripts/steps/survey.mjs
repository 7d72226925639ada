import { which } from '../lib/command.mjs'
import { machine } from '../lib/machine.mjs'
import { registryAnswers } from '../lib/registry.mjs'
import { bootstrapTools } from './base-system.mjs'
import { localEngine } from './engine.mjs'
import { pythonTools } from './python.mjs'
import { supervisorTools } from './supervisor.mjs'

/**
 * Looks at the machine and decides, before anything long begins, what is to be done beside each other:
 * `api` of this machine's own engine where that is the one to use, `mustStart` it, `mustBootstrap` a root file system, and
 * the system `packages` that are missing for all that.
 */
export async function surveyMachine({ forTests }) {
  const api = localEngine()
  const mustStart = api !== undefined && !(await api.answers())
  const mustInstall = mustStart && !which('dockerd')
  // An engine that was there before may have a base image, and is asked for one first.
  const mustBootstrap = mustInstall && !(await registryAnswers())
  const packages = [
    ...(mustInstall ? ['docker.io'] : []),
    ...(mustBootstrap ? bootstrapTools() : []),
    ...(machine.canInstall ? [...supervisorTools({ forTests }), ...pythonTools({ forTests })] : []),
  ]
  return { value: { api, mustStart, mustBootstrap, packages } }
}
