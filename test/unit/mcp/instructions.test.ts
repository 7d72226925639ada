import { describe, expect, test } from 'vitest'
import { instructions, MAX_INSTRUCTION_BYTES } from '../../../src/mcp/instructions.ts'
import { toolsOf } from '../../../src/tools/index.ts'

const FACTS = {
  tools: toolsOf('all').map(({ name }) => name),
  runtime: 'python-minimal',
  network: 'none',
  memoryBytes: 512 * 1024 ** 2,
  cpus: 1,
  maxTimeoutMs: 3_600_000,
  idleTimeoutMs: 1_800_000,
} as const

describe('instructions', () => {
  test('tell what the sandbox is, what persists, the network, the limits and the background pattern', () => {
    const text = instructions(FACTS)
    for (const fact of [
      'python-minimal',
      '/workspace',
      'After 30 min without use it sleeps',
      'fresh process',
      'wait_s=0',
      'Network: none',
      '512 MiB of memory, 1 CPU, 1 h at most',
    ]) {
      expect(text).toContain(fact)
    }
  })

  test('stay below what clients cut off, whatever the configuration', () => {
    const long = {
      ...FACTS,
      runtime: 'r'.repeat(63),
      network: 'bridge',
      memoryBytes: 1.5 * 1024 ** 4,
      cpus: 1023.5,
    } as const
    for (const facts of [FACTS, long]) {
      expect(Buffer.byteLength(instructions(facts))).toBeLessThanOrEqual(MAX_INSTRUCTION_BYTES)
    }
  })

  test('name the tools for code only where the model is given them', () => {
    const core = toolsOf('core').map(({ name }) => name)
    expect(instructions(FACTS)).toContain('change parts of a file with edit_file')
    expect(instructions({ ...FACTS, tools: core })).not.toMatch(/edit_file|For code/)
  })

  test('promise no network where there is none, and no sleep where it is off', () => {
    expect(instructions({ ...FACTS, network: 'bridge' })).toContain('can reach the network')
    expect(instructions({ ...FACTS, idleTimeoutMs: 0 })).not.toContain('sleeps')
  })
})
