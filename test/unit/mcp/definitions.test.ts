import { ListToolsResultSchema } from '@modelcontextprotocol/sdk/types.js'
import { encode } from 'gpt-tokenizer/encoding/o200k_base'
import { describe, expect, test } from 'vitest'
import { toolDefinitions, type ToolNetworks } from '../../../src/mcp/definitions.ts'
import { TOOLS, toolsOf } from '../../../src/tools/index.ts'

/** What a model pays for the tools of a set, in tokens of the o200k encoding. */
const BUDGETS = [
  ['core', 1500, 1000],
  ['all', 3500, 2000],
] as const

const WITH_IMAGES = ['read_file', 'run_code']
const OFFLINE = { sandbox: 'none', install: 'none' } as const
const DEFINITIONS = toolDefinitions(TOOLS, OFFLINE)

function tokens(value: unknown): number {
  return encode(JSON.stringify(value)).length
}

/** Every object inside a schema. */
function* objects(value: unknown): Iterable<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return
  yield value as Record<string, unknown>
  for (const each of Object.values(value)) yield* objects(each)
}

describe('tool definitions', () => {
  test('are valid for the SDK', () => {
    expect(ListToolsResultSchema.parse({ tools: DEFINITIONS }).tools).toHaveLength(TOOLS.length)
  })

  test.each(BUDGETS)(
    'names, descriptions and parameters of the set "%s" cost at most %i tokens, results at most %i more',
    (set, maxInput, maxOutput) => {
      const definitions = toolDefinitions(toolsOf(set), OFFLINE)
      const inputs = definitions.map(({ name, description, inputSchema }) => ({ name, description, inputSchema }))
      const outputs = definitions.map(({ outputSchema }) => outputSchema).filter(Boolean)
      expect(inputs.reduce((sum, each) => sum + tokens(each), 0)).toBeLessThanOrEqual(maxInput)
      expect(outputs.reduce((sum, each) => sum + tokens(each), 0)).toBeLessThanOrEqual(maxOutput)
    },
  )

  test('are the same text every time', () => {
    expect(JSON.stringify(toolDefinitions(TOOLS, OFFLINE))).toBe(JSON.stringify(DEFINITIONS))
  })

  test.each(DEFINITIONS.map((each) => [each.name, each] as const))(
    '%s takes flat, strict parameters',
    (_, definition) => {
      const { inputSchema } = definition
      expect(inputSchema).toMatchObject({ type: 'object', additionalProperties: false })
      const parts = [...objects(inputSchema)]
      for (const union of ['anyOf', 'oneOf', 'allOf', '$ref', '$schema']) {
        expect(parts.filter((part) => union in part)).toEqual([])
      }
      for (const part of parts.filter(({ type }) => type === 'integer')) {
        expect(part).toMatchObject({ minimum: expect.any(Number), maximum: expect.any(Number) })
        expect(part['maximum']).toBeLessThan(Number.MAX_SAFE_INTEGER)
      }
      for (const property of Object.values(inputSchema.properties ?? {})) {
        expect(['string', 'integer', 'boolean', 'object', 'array']).toContain((property as { type: string }).type)
      }
    },
  )

  test('all four annotations and the title are set', () => {
    for (const { title, annotations } of DEFINITIONS) {
      expect(annotations).toEqual({
        title,
        readOnlyHint: expect.any(Boolean),
        destructiveHint: expect.any(Boolean),
        idempotentHint: expect.any(Boolean),
        openWorldHint: expect.any(Boolean),
      })
    }
  })

  test('openWorldHint follows the network that a tool can reach: of the sandboxes, or of the downloads of packages', () => {
    const open = (networks: ToolNetworks) =>
      toolDefinitions(TOOLS, networks)
        .filter(({ annotations }) => annotations?.openWorldHint)
        .map(({ name }) => name)
    expect(open(OFFLINE)).toEqual([])
    for (const install of ['bridge', 'host'] as const) {
      expect(open({ sandbox: 'none', install })).toEqual(['install_packages'])
    }
    expect(open({ sandbox: 'bridge', install: 'none' })).toEqual([
      'shell_exec',
      'process_write',
      'run_code',
      'install_packages',
    ])
  })

  test('the tools that can return images have no output schema, every other has one with the notice', () => {
    const withNotice = DEFINITIONS.filter(({ outputSchema }) => outputSchema?.properties?.['notice'])
    expect(withNotice.map(({ name }) => name)).toEqual(
      DEFINITIONS.map(({ name }) => name).filter((name) => !WITH_IMAGES.includes(name)),
    )
    for (const each of DEFINITIONS.filter(({ name }) => WITH_IMAGES.includes(name))) {
      expect(each).not.toHaveProperty('outputSchema')
    }
  })
})
