import * as z from 'zod'
import { ACCESS } from './settings/access.ts'
import { ASSIGNMENT } from './settings/assignment.ts'
import { BACKUP } from './settings/backup.ts'
import { BUILDS } from './settings/builds.ts'
import { CALLS } from './settings/calls.ts'
import { HTTP_LIMITS } from './settings/http-limits.ts'
import { LIFE_CYCLE } from './settings/life-cycle.ts'
import { SANDBOX } from './settings/sandbox.ts'
import { SERVING } from './settings/serving.ts'
import { TRANSFER } from './settings/transfer.ts'
import type { Settings } from './settings/setting.ts'

export type { Setting } from './settings/setting.ts'

/**
 * Every setting. The key gives its flag (`idleTimeout` → `--idle-timeout`), its variable (`SANDBOX_IDLE_TIMEOUT`) and its name in the
 * config file; nothing else in the program reads flags or the environment.
 * `--help` and the README list them in this order.
 */
export const SETTINGS = {
  ...SERVING,
  ...ACCESS,
  ...HTTP_LIMITS,
  ...TRANSFER,
  ...ASSIGNMENT,
  ...LIFE_CYCLE,
  ...CALLS,
  ...BACKUP,
  ...SANDBOX,
  ...BUILDS,
  logLevel: {
    schema: z.enum(['debug', 'info', 'warn', 'error', 'silent']),
    fallback: 'info',
    about: 'Least level of log lines on stderr.',
  },
} as const satisfies Settings

export type SettingKey = keyof typeof SETTINGS
/** Validated settings: sizes in bytes, durations in milliseconds. */
export type Config = { readonly [K in SettingKey]: z.output<(typeof SETTINGS)[K]['schema']> }

export const SETTING_KEYS = Object.keys(SETTINGS) as SettingKey[]

/** `idleTimeout` → `idle-timeout`. */
export function flagOf(key: SettingKey): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

/** `idleTimeout` → `SANDBOX_IDLE_TIMEOUT`. */
export function variableOf(key: SettingKey): string {
  return `SANDBOX_${flagOf(key).replaceAll('-', '_').toUpperCase()}`
}
