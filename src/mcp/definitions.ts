import * as z from 'zod'
import type { Tool, ToolEffect } from '../tools/tool.ts'
import type { ObjectSchema, ToolListing } from './protocol.ts'
import { NOTICE_FIELD } from './results.ts'

/** Words of JSON Schema that say nothing to a model, or nothing that a client needs. */
const NOISE = new Set(['$schema', 'propertyNames'])

/** The networks of a configuration. */
export interface ToolNetworks {
  /** Of the sandboxes. */
  readonly sandbox: 'none' | 'bridge'
  /** Of the downloads of install_packages; without one they have that of the sandbox. */
  readonly install: 'none' | 'bridge' | 'host'
}

/**
 * The tools as tools/list gives them. Made once and the same for every connection of a configuration, so that a client may keep
 * them and a model's prompt cache holds.
 */
export function toolDefinitions(tools: readonly Tool[], networks: ToolNetworks): ToolListing[] {
  return tools.map(({ name, title, description, effect, input, output }) => ({
    name,
    title,
    description,
    inputSchema: jsonSchema(input, 'input'),
    ...(output ? { outputSchema: jsonSchema(output.extend({ [NOTICE_FIELD]: z.string().optional() }), 'output') } : {}),
    annotations: {
      title,
      readOnlyHint: effect.readOnly,
      destructiveHint: effect.destructive,
      idempotentHint: effect.idempotent,
      openWorldHint: reaches(effect, networks),
    },
  }))
}

function reaches({ reachesNetwork }: ToolEffect, { sandbox, install }: ToolNetworks): boolean {
  if (reachesNetwork === false) return false
  return sandbox !== 'none' || (reachesNetwork === 'indexes' && install !== 'none')
}

function jsonSchema(schema: z.ZodObject, io: 'input' | 'output'): ObjectSchema {
  const converted = z.toJSONSchema(schema, { target: 'draft-2020-12', io })
  return withoutNoise(converted) as ObjectSchema
}

function withoutNoise(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNoise)
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).filter(([key, each]) => !NOISE.has(key) && each !== undefined)
  return Object.fromEntries(kept.map(([key, each]) => [key, withoutNoise(each)]))
}
