import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { runtimeJsonSchema } from '../../../src/runtimes/json-schema.ts'

/** `npx vitest run --project unit -u` writes it anew. */
const PUBLISHED = resolve(import.meta.dirname, '../../../runtimes/runtime.schema.json')

test('the published JSON Schema is that of the definitions', async () => {
  await expect(`${JSON.stringify(runtimeJsonSchema(), undefined, 2)}\n`).toMatchFileSnapshot(PUBLISHED)
})
