import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import * as z from 'zod'
import { parseBytes, parseDuration } from '../lib/units.ts'

/** A size: a number of bytes, or text such as "512MiB". */
export const bytes = (minBytes: number) =>
  z.union([z.number(), z.string()]).transform((value, context) => {
    const parsed = typeof value === 'number' ? value : parseBytes(value)
    if (parsed !== undefined && Number.isSafeInteger(parsed) && parsed >= minBytes) return parsed
    context.addIssue({ code: 'custom', message: `give a size of at least ${minBytes} bytes, such as "512MiB"` })
    return z.NEVER
  })

/** A duration: a number of seconds, or text such as "30m". Becomes milliseconds. */
export const duration = (minMs: number) =>
  z.union([z.number(), z.string()]).transform((value, context) => {
    const parsed = typeof value === 'number' ? value * 1000 : parseDuration(value)
    if (parsed !== undefined && Number.isSafeInteger(parsed) && parsed >= minMs) return parsed
    context.addIssue({ code: 'custom', message: `give a duration of at least ${minMs / 1000} s, such as "30m"` })
    return z.NEVER
  })

/** A number, or its decimal text; no other type is taken for one. */
export const decimal = (number: z.ZodType<number, number>) =>
  z
    .union([z.number(), z.string().regex(/^\d+(\.\d+)?$/)], 'give a number')
    .transform(Number)
    .pipe(number)

export const integer = (min: number, max: number) => decimal(z.number().int().min(min).max(max))

/** A path on this machine; "~/" is the home of who runs the server. */
export const path = z
  .string()
  .min(1)
  .transform((given) => (given.startsWith('~/') ? join(homedir(), given.slice(2)) : given))

/** The same, from the root. */
export const absolutePath = path.refine(isAbsolute, 'give an absolute path')

/** What a user is called by an operator or an identity provider. */
export const userName = z.string().min(1).max(256)

/** Name of a runtime or an installation. */
export const name = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'use lower-case letters, digits, ".", "_" and "-" (at most 63)')

/** Several values: a list in the config file, separated by commas elsewhere. */
export const list = <T extends z.ZodType<string, string>>(item: T) =>
  z
    .union([z.array(z.string()), z.string()])
    .transform((given) => (typeof given === 'string' ? given.split(',') : given).map((each) => each.trim()))
    .transform((given) => given.filter((each) => each !== ''))
    .pipe(z.array(item))

/** The same, or nothing: a setting that is not set. */
export const orEmpty = <T extends z.ZodType<string, string>>(schema: T) => z.union([z.literal(''), schema])

/** A switch: `--name` on the command line; true or false in the config file and the environment. */
export const truth = z
  .union([z.boolean(), z.enum(['true', 'false', '1', '0', ''])], 'give true or false')
  .transform((given) => given === true || given === 'true' || given === '1')

/** An address that a program asks over HTTP. */
export const httpUrl = z
  .url({ protocol: /^https?$/, error: 'give an http or https URL' })
  .regex(/^\S+$/, 'give a URL without spaces')

/** Options of a driver: an object in the config file, "key=value key=value" elsewhere; a value may hold "=" and ",". */
export const driverOptions = z
  .union([z.record(z.string(), z.string()), z.string()])
  .transform((given) => (typeof given === 'string' ? optionPairs(given) : given))
  .pipe(z.record(z.string().regex(/^[a-z][a-z0-9._-]*$/i, 'write each as key=value'), z.string().min(1)))

function optionPairs(text: string): Record<string, string> {
  const words = text.split(/\s+/).filter((word) => word !== '')
  return Object.fromEntries(words.map((word) => [word.split('=', 1)[0] ?? '', word.slice(word.indexOf('=') + 1)]))
}

/** "name=value,name=value". The value is what follows the last "=": a user's name may hold one. */
export function pairs(text: string): string[][] {
  const items = text.split(',').map((item) => item.trim())
  return items
    .filter((item) => item !== '')
    .map((item) => {
      const at = item.lastIndexOf('=')
      return at < 0 ? [item] : [item.slice(0, at).trim(), item.slice(at + 1).trim()]
    })
}
