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
    expect(cuts.unfit).toBeUndefined()
    cuts.note('a', KILLED)
    wait(1000)
  }
  expect(cuts.unfit).toBe('a')
  cuts.forget()
  expect(cuts.unfit).toBeUndefined()
})

test('three in three minutes are not', () => {
  const { cuts, wait } = setUp()
  for (let times = 0; times < 3; times++) {
    cuts.note('a', KILLED)
    wait(59_000)
  }
  expect(cuts.unfit).toBeUndefined()
})

test('what was cut on the way, or closed by this server, says nothing about the sandbox', () => {
  const { cuts } = setUp()
  for (let times = 0; times < 10; times++) {
    cuts.note('a', CUT)
    cuts.note('a', new ConnectionLost('evicted'))
  }
  expect(cuts.unfit).toBeUndefined()
})

test('the ends of containers, each with its bridge, say nothing about the one that comes after', () => {
  const { cuts, wait } = setUp()
  for (const container of ['a', 'b', 'c', 'd', 'e']) {
    cuts.note(container, KILLED)
    wait(1000)
    expect(cuts.unfit).toBeUndefined()
  }
})
