import { describe, expect, test } from 'vitest'
import { instructions, MAX_INSTRUCTION_BYTES } from '../../../src/mcp/instructions.ts'
import { toolsOf } from '../../../src/tools/index.ts'
import { TEST_POLICY } from '../../helpers/registry-lab.ts'
import { TEST_RUNTIME } from '../../helpers/runtime-info.ts'

const FACTS = {
  tools: toolsOf('all').map(({ name }) => name),
  runtime: TEST_RUNTIME,
  idleTimeoutMs: 1_800_000,
}
const packages = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`package-${index}`, '1.2.3']))

describe('instructions', () => {
  test('tell what the sandbox is, what persists, the network, the limits and the background pattern', () => {
    const text = instructions(FACTS)
    for (const fact of [
      'runtime "python-minimal": Python 3 with pip and venv)',
      'Has python3 3.11.2.',
      'use directly, without installing: numpy 2.1.0.',
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
      runtime: {
        ...TEST_RUNTIME,
        name: 'r'.repeat(63),
        description: 'ü'.repeat(150),
        installs: true,
        limits: { ...TEST_POLICY.limits, memoryBytes: 1.5 * 1024 ** 4, cpus: 1023.5 },
        contents: { os: 'o'.repeat(100), programs: packages(20), packages: { pip: packages(300), npm: packages(50) } },
      },
    }
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
    expect(instructions({ ...FACTS, runtime: { ...TEST_RUNTIME, network: 'bridge' } })).toContain(
      'can reach the network',
    )
    expect(instructions({ ...FACTS, idleTimeoutMs: 0 })).not.toContain('sleeps')
  })

  test('say where all packages are told when there are many, and claim none of an image that was not measured', () => {
    const many = { ...TEST_RUNTIME, contents: { os: undefined, programs: {}, packages: { pip: packages(100) } } }
    expect(instructions({ ...FACTS, runtime: many })).toMatch(
      /package-0 1\.2\.3, .*\d+ more \(resource sandbox:\/\/runtime\)/,
    )
    const unknown = instructions({ ...FACTS, runtime: { ...TEST_RUNTIME, contents: undefined } })
    expect(unknown).toContain('What is installed: resource sandbox://runtime.')
    expect(unknown).not.toContain('python3')
  })

  test('offer install_packages only where it can download and the model is given it', () => {
    const installing = { ...FACTS, runtime: { ...TEST_RUNTIME, installs: true } }
    expect(instructions(installing)).toContain('install_packages alone gets packages')
    const core = toolsOf('core').map(({ name }) => name)
    expect(instructions({ ...installing, tools: core })).not.toContain('install_packages')
    expect(instructions(FACTS)).not.toContain('install_packages')
  })
})
