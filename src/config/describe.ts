import type { LoadedConfig, Source } from './load.ts'
import { flagOf, SETTING_KEYS, type Setting, type SettingKey, SETTINGS, variableOf } from './settings.ts'

export interface DescribedSetting {
  readonly key: SettingKey
  /** As given, with secrets masked. */
  readonly value: string
  readonly source: Source
}

/** The effective settings with where each comes from, for `sandbox-mcp config`. */
export function describeConfig({ origin }: LoadedConfig): DescribedSetting[] {
  return SETTING_KEYS.map((key) => ({ key, value: masked(key, origin[key].given), source: origin[key].source }))
}

/** One line per setting for `--help` and for the table of the README. */
export function settingsHelp(): { flag: string; variable: string; fallback: string; about: string }[] {
  return SETTING_KEYS.map((key) => ({
    flag: `--${flagOf(key)}`,
    variable: variableOf(key),
    fallback: String(SETTINGS[key].fallback),
    about: SETTINGS[key].about,
  }))
}

/** Password of a URL (RFC 3986 userinfo), to the last `@`: people do not always escape the `@` and `/` of a password. */
const URL_PASSWORD = /(\/\/[^/:@\s]*:)\S+@/g

function masked(key: SettingKey, given: unknown): string {
  const setting: Setting = SETTINGS[key]
  if (setting.secret) return '***'
  const text = typeof given === 'string' ? given : JSON.stringify(given)
  return text.replace(URL_PASSWORD, '$1***@')
}
