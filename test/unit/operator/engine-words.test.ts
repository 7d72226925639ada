import { expect, test } from 'vitest'
import { SandboxError } from '../../../src/errors/sandbox-error.ts'
import { engineWords } from '../../../src/operator/engine-words.ts'

const failed = (engineText?: unknown) => new SandboxError('engine_failed', 'It failed.', { details: { engineText } })

test('what the engine said is told in one piece, bounded, and without what would steer a terminal', () => {
  expect(engineWords(failed('Range of CPUs is from 0.01 to 2.00\n'))).toBe('Range of CPUs is from 0.01 to 2.00')
  expect(engineWords(failed('\u001b[2Jno \u001b]0;title\u0007such\rthing'))).not.toMatch(/[\u001b\u0007\r]/)
  expect(engineWords(failed('x'.repeat(10_000)))).toHaveLength(500)
})

test.each([undefined, '', 42])('an engine that said %j has said nothing', (engineText) => {
  expect(engineWords(failed(engineText))).toBeUndefined()
})
