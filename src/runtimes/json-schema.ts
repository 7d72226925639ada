import * as z from 'zod'
import { runtimeSchema } from './definition.ts'

/** The schema of runtime.json as JSON Schema (draft 2020-12), for editors: runtimes/runtime.schema.json. */
export function runtimeJsonSchema(): Record<string, unknown> {
  return { title: 'A runtime of sandbox-mcp', ...z.toJSONSchema(runtimeSchema, { io: 'input' }) }
}
