import { SETTING_KEYS, SETTINGS, variableOf } from '../../dist/config/settings.js'

/** What somebody meets who installs the server for one person, from a registry or as a bundle; all others are for operators. In this order. */
const keys = [
  'user',
  'runtime',
  'tools',
  'memory',
  'cpus',
  'network',
  'installNetwork',
  'idleTimeout',
  'engine',
  'imageMirrors',
  'logLevel',
]

/** Those settings as installers show them: `{ key, variable, about, fallback, isNumber, choices, isSecret }`. `fallback` is text. */
export const desktopSettings = keys.map((key) => {
  if (!SETTING_KEYS.includes(key)) throw new Error(`there is no setting ${key}`)
  const { schema, fallback, about, secret = false } = SETTINGS[key]
  return {
    key,
    variable: variableOf(key),
    about,
    fallback: String(fallback),
    isNumber: typeof fallback === 'number',
    choices: schema.options?.every((each) => typeof each === 'string') ? schema.options : undefined,
    isSecret: secret,
  }
})
