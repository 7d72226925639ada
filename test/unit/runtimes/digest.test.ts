import { describe, expect, test } from 'vitest'
import { parseDefinition } from '../../../src/runtimes/definition.ts'
import {
  fromTag,
  type ImageIngredients,
  recipeDigest,
  runtimeDigest,
  runtimeTag,
} from '../../../src/runtimes/digest.ts'
import { dockerfileOf } from '../../../src/runtimes/dockerfile.ts'
import { runtimeJsonSchema } from '../../../src/runtimes/json-schema.ts'

const BASE_ID = `sha256:${'a'.repeat(64)}`
const PIP = { package_manager: 'pip', packages: ['numpy'] }
const CONTENT = {
  name: 'mine',
  description: 'Mine.',
  base_image: 'a:1',
  packages: [PIP],
  setup_commands: ['true'],
  env_vars: { A: '1' },
  check: ['true'],
  limits: { cpus: 1 },
  network: 'none',
  mode: 'persistent',
  oci_runtime: 'runc',
  default_manager: 'pip',
  cache_image: true,
  work_dir: '/workspace',
}

function ingredients(change: Record<string, unknown> = {}, more: Partial<ImageIngredients> = {}): ImageIngredients {
  const definition = parseDefinition({ ...CONTENT, ...change }, 'test')
  return {
    name: definition.name,
    dockerfile: dockerfileOf(definition, 'base', definition.base.packages),
    stepsSha256: 'b'.repeat(64),
    supervisorSha256: 'c'.repeat(64),
    measureSha256: '',
    platform: 'linux/amd64',
    ...more,
  }
}
const digestOf = (content: Record<string, unknown>) => runtimeDigest(ingredients(content), BASE_ID)
const before = digestOf({})

type Row = readonly [string, Record<string, unknown>]
/** What goes into the image. */
const CHANGING: readonly Row[] = [
  ['the name', { name: 'other' }],
  ['a package', { packages: [{ ...PIP, packages: ['numpy==2.0'] }] }],
  ['the order of the packages', { packages: [PIP, { package_manager: 'apt', packages: ['git'] }] }],
  ['a setup command', { setup_commands: ['false'] }],
  ['a variable', { env_vars: { A: '2' } }],
  ['the work directory', { work_dir: '/work' }],
  ['the check', { check: ['false'] }],
  ['whether it is cached', { cache_image: false }],
]
/** What is told of it, or holds for its containers. */
const STAYING: readonly Row[] = [
  ['the description', { description: 'Other words.' }],
  ['the limits', { limits: { cpus: 2 } }],
  ['the mode', { mode: 'ephemeral' }],
  ['the network', { network: 'bridge' }],
  ['the OCI runtime', { oci_runtime: 'runsc' }],
  ['the manager of install_packages', { default_manager: 'npm' }],
  ['the name of the base, when it is the same image', { base_image: 'b:2' }],
  [
    'a ready-made image in place of a base, when it is the same',
    { base_image: undefined, image: 'b:2', packages: undefined, setup_commands: undefined },
  ],
  ['a fallback that is not used', { fallback: { base_image: 'c:3' } }],
]

describe('the digest of an image changes', () => {
  test.each(CHANGING)('with %s', (_, change) => {
    expect(runtimeDigest(ingredients(change), BASE_ID)).not.toBe(before)
  })

  test.each<readonly [string, Partial<ImageIngredients>]>([
    ['the platform', { platform: 'linux/arm64' }],
    ['the supervisor', { supervisorSha256: 'd'.repeat(64) }],
    ["the builder's steps", { stepsSha256: 'd'.repeat(64) }],
    ['what is measured', { measureSha256: 'd'.repeat(64) }],
  ])('with %s', (_, more) => {
    expect(runtimeDigest(ingredients({}, more), BASE_ID)).not.toBe(before)
  })

  test('with what the tag of the base stands for', () => {
    expect(runtimeDigest(ingredients(), `sha256:${'e'.repeat(64)}`)).not.toBe(before)
  })
})

describe('the digest of an image stays', () => {
  test.each(STAYING)('with %s', (_, change) => {
    const plain = { ...CONTENT, packages: [], setup_commands: [] }
    const same = 'image' in change ? digestOf(plain) : before
    expect(digestOf({ ...CONTENT, ...change })).toBe(same)
  })
})

test('every field of a definition is in one of the two tables', () => {
  const schema = runtimeJsonSchema() as { properties: Record<string, unknown> }
  const tested = [...CHANGING, ...STAYING].flatMap(([, change]) => Object.keys(change))
  expect(Object.keys(schema.properties).filter((field) => !tested.includes(field))).toEqual(['$schema'])
})

test('the digest of a recipe has the base by its name', () => {
  const recipe = recipeDigest(ingredients(), 'a:1')
  expect(recipeDigest(ingredients({ description: 'Other words.' }), 'a:1')).toBe(recipe)
  expect(recipeDigest(ingredients(), 'b:2')).not.toBe(recipe)
  expect(recipeDigest(ingredients({ env_vars: {} }), 'a:1')).not.toBe(recipe)
})

test('tags hold the first 16 digits', () => {
  expect(runtimeTag('mine', '0123456789abcdef0000')).toBe('sandbox-mcp/mine:0123456789abcdef')
  expect(fromTag(`sha256:0123456789abcdef${'0'.repeat(48)}`)).toBe('sandbox-mcp/from:0123456789abcdef')
})
