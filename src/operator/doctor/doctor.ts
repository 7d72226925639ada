import type { Config } from '../../config/settings.ts'
import type { Engine, EngineInfo } from '../../engine/engine.ts'
import { isSandboxError } from '../../errors/sandbox-error.ts'
import type { SandboxProvider } from '../../registry/lease.ts'
import type { Catalogue } from '../../runtimes/catalogue.ts'
import type { RuntimeImages } from '../../runtimes/image-builder.ts'
import { type Output, printTable } from '../output.ts'
import { knownVulnerabilities } from './advisories.ts'
import { canary } from './canary.ts'
import { diskCheck } from './disk-check.ts'
import { engineChecks } from './engine-checks.ts'
import { readMemory } from '../../registry/memory-watch.ts'
import { type Finding, fail, ok, warn } from './finding.ts'
import { memoryFinding, workspaceCheck } from './limit-checks.ts'

export interface DoctorDeps {
  readonly engine: Engine
  readonly images: RuntimeImages
  readonly catalogue: Catalogue
  readonly provider: SandboxProvider
  readonly config: Pick<
    Config,
    | 'runtime'
    | 'network'
    | 'ociRuntime'
    | 'installNetwork'
    | 'workspaceSize'
    | 'workspaceFiles'
    | 'volumeOptions'
    | 'diskFloor'
    | 'memoryFloor'
  >
  /** Whether the engine's files are on this machine. */
  readonly engineIsLocal: boolean
  readonly out: Output
}

const START_OF_LINE = '\r\x1b[K'

/**
 * `sandbox-mcp doctor`: is this machine fit to run sandboxes, and safely? Looks at the engine and its kernel, known faults, disk, images and
 * settings, and takes one sandbox of its own through its life, from creation to removal. Changes nothing else. Resolves to true when nothing failed; warnings are no failure.
 */
export async function doctor(deps: DoctorDeps): Promise<boolean> {
  const findings = await examine(deps)
  const isFit = findings.every(({ status }) => status !== 'fail')
  const { out } = deps
  if (out.json) out.write(`${JSON.stringify({ fit: isFit, findings }, undefined, 2)}\n`)
  else {
    printTable(out, ['', 'CHECK', 'FOUND'], findings.map(row))
    const advice = findings.filter((each) => each.advice !== '')
    if (advice.length > 0) out.write('\n')
    for (const each of advice) out.write(`${each.check}: ${each.advice}\n`)
    out.write(isFit ? '\nSandboxes work here.\n' : '\nSandboxes do not work here yet.\n')
  }
  return isFit
}

async function examine(deps: DoctorDeps): Promise<readonly Finding[]> {
  const { engine, config, out, engineIsLocal } = deps
  let info: EngineInfo
  try {
    info = await engine.info()
  } catch (error) {
    if (!isSandboxError(error)) throw error
    return [fail('engine', `${error.code}: ${error.message}`, error.hint)]
  }
  const onProgress = (text: string) => {
    if (out.isTerminal && !out.json) out.write(`${START_OF_LINE}canary: ${text}`)
  }
  const findings = [
    ok('engine', `${engine.driver} ${info.version}, API ${info.apiVersion}`),
    ...engineChecks(info, config.ociRuntime),
    ...knownVulnerabilities(info.components),
    await diskCheck(info.rootDir, engineIsLocal, config.diskFloor),
    workspaceCheck(config),
    memoryFinding(engineIsLocal ? await readMemory() : undefined, config.memoryFloor),
    await imageCheck(deps),
    networkCheck(config),
    ...(await canary({ provider: deps.provider, network: config.network, onProgress })),
  ]
  if (out.isTerminal && !out.json) out.write(START_OF_LINE)
  return findings
}

async function imageCheck({ images, catalogue, config }: DoctorDeps): Promise<Finding> {
  const built: string[] = []
  try {
    for (const name of catalogue.names) if (await images.find(name)) built.push(name)
  } catch (error) {
    if (!isSandboxError(error)) throw error
    return fail('images', `${error.code}: ${error.message}`, error.hint)
  }
  const found = `${built.length} of ${catalogue.names.length} runtimes built`
  if (built.includes(config.runtime)) return ok('images', found)
  return warn(
    'images',
    `${found}; not ${config.runtime}`,
    `Run sandbox-mcp build: the first call waits for it otherwise.`,
  )
}

function networkCheck({ network }: DoctorDeps['config']): Finding {
  if (network === 'none') return ok('network', 'sandboxes have none')
  return warn('network', 'sandboxes reach all that the engine does', 'Set network=none unless the users may have that.')
}

const MARKS = { ok: 'ok', warn: 'warn', fail: 'FAIL' } as const

function row({ check, status, found }: Finding): string[] {
  return [MARKS[status], check, found]
}
