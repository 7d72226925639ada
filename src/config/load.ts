import { readFileSync } from 'node:fs'
import { SandboxError } from '../errors/sandbox-error.ts'
import { inconsistencies } from './consistency.ts'
import { type Config, flagOf, SETTING_KEYS, type SettingKey, SETTINGS, variableOf } from './settings.ts'

/** Where a value comes from: "default", "file config.json", "env SANDBOX_USER", "flag --user". */
export type Source = string

export interface LoadedConfig {
  readonly config: Config
  /** What was given, before validation, and by whom. */
  readonly origin: Readonly<Record<SettingKey, { readonly given: unknown; readonly source: Source }>>
}

export interface ConfigInput {
  /** Flags of the command line by name without dashes. */
  readonly flags: Readonly<Record<string, string | undefined>>
  readonly env: Readonly<Record<string, string | undefined>>
  /** Path of a JSON file with settings by key. */
  readonly file?: string | undefined
}

/** Merges defaults ← file ← environment ← flags and validates once; `config_invalid` lists every problem with its source. */
export function loadConfig({ flags, env, file }: ConfigInput): LoadedConfig {
  const fromFile = file === undefined ? {} : readConfigFile(file)
  const problems: string[] = []
  const origin = {} as Record<SettingKey, { given: unknown; source: Source }>
  const config: Record<string, unknown> = {}
  for (const key of SETTING_KEYS) {
    const picked = pick(key, flags, env, fromFile, file)
    const parsed = SETTINGS[key].schema.safeParse(picked.given)
    origin[key] = picked
    if (parsed.success) config[key] = parsed.data
    else problems.push(`${key} (${picked.source}): ${parsed.error.issues.map((issue) => issue.message).join('; ')}`)
  }
  for (const key of Object.keys(fromFile)) {
    if (Object.hasOwn(SETTINGS, key)) continue
    problems.push(`${key} (file ${file}): unknown setting; known are ${SETTING_KEYS.join(', ')}`)
  }
  if (problems.length === 0) problems.push(...inconsistencies(config as Config))
  if (problems.length > 0) throw new SandboxError('config_invalid', problems.join('\n'))
  return { config: Object.freeze(config) as Config, origin }
}

function pick(
  key: SettingKey,
  flags: ConfigInput['flags'],
  env: ConfigInput['env'],
  fromFile: Readonly<Record<string, unknown>>,
  file: string | undefined,
): { given: unknown; source: Source } {
  const flag = flags[flagOf(key)]
  if (flag !== undefined) return { given: flag, source: `flag --${flagOf(key)}` }
  const variable = env[variableOf(key)]
  if (variable !== undefined && variable !== '') return { given: variable, source: `env ${variableOf(key)}` }
  if (Object.hasOwn(fromFile, key)) return { given: fromFile[key], source: `file ${file}` }
  return { given: SETTINGS[key].fallback, source: 'default' }
}

function readConfigFile(path: string): Readonly<Record<string, unknown>> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new SandboxError('config_invalid', `The config file ${path} cannot be read.`, { cause })
  }
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (cause) {
    throw new SandboxError('config_invalid', `The config file ${path} is not valid JSON.`, { cause })
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new SandboxError('config_invalid', `The config file ${path} must hold one JSON object.`)
  }
  return parsed as Record<string, unknown>
}
