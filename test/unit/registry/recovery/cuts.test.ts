import { expect, test } from 'vitest'
import { SandboxError } from '../../../../src/errors/sandbox-error.ts'
import { Cuts } from '../../../../src/registry/recovery/cuts.ts'
import { ConnectionLost } from '../../../../src/supervisor/errors.ts'

const KILLED = new ConnectionLost('ended', {
  cause: new SandboxError('engine_failed', 'The program failed.', { details: { exitCode: 137 } }),
})
const CUT = new ConnectionLost('ended', { cause: new SandboxError('engine_unreachable', 'The connection was cut.') })

function setUp() {
  let now = 0
  return { cuts: new Cuts(() => now), wait: (ms: number) => (now += ms) }
}

test('three bridges killed within a minute are many, until they are forgotten', () => {
  const { cuts, wait } = setUp()
  for (let times = 0; times < 3; times++) {
    expect(cuts.areMany).toBe(false)
    cuts.note(KILLED)
    wait(1000)
  }
  expect(cuts.areMany).toBe(true)
  cuts.forget()
  expect(cuts.areMany).toBe(false)
})

test('three in three minutes are not', () => {
  const { cuts, wait } = setUp()
  for (let times = 0; times < 3; times++) {
    cuts.note(KILLED)
    wait(59_000)
  }
  expect(cuts.areMany).toBe(false)
})

test('what was cut on the way, or closed by this server, says nothing about the sandbox', () => {
  const { cuts } = setUp()
  for (let times = 0; times < 10; times++) {
    cuts.note(CUT)
    cuts.note(new ConnectionLost('evicted'))
  }
  expect(cuts.areMany).toBe(false)
})
