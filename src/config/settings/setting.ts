import type * as z from 'zod'

/** One setting: its schema, its default as text or number, and what `--help` says. */
export interface Setting {
  readonly schema: z.ZodType
  readonly fallback: unknown
  readonly about: string
  /** Passwords and tokens: `config` prints `***`. */
  readonly secret?: boolean
  /** A switch, whose flag takes no value. */
  readonly isSwitch?: boolean
}

/** Settings of one theme, by key. */
export type Settings = Readonly<Record<string, Setting>>
