import { expect, test } from 'vitest'
import { SandboxError } from '../../../../src/errors/sandbox-error.ts'
import { DegradedUsers } from '../../../../src/registry/recovery/degraded.ts'
import { expectCode } from '../../../helpers/expect-code.ts'

function setUp() {
  let now = 0
  let starts = 0
  const users = new DegradedUsers(() => now)
  const fail = (code: 'sandbox_unavailable' | 'engine_unreachable') => () => {
    starts++
    return Promise.reject(new SandboxError(code, 'It failed.'))
  }
  return { users, wait: (ms: number) => (now += ms), starts: () => starts, fail }
}

test('a user whose sandbox is beyond help is told when to come back, at once, and then it is tried again', async () => {
  const { users, wait, starts, fail } = setUp()
  const first = await expectCode(users.guard('ada', fail('sandbox_unavailable')), 'sandbox_unavailable')
  expect(first).toMatchObject({ retryAfterMs: 10_000, hint: expect.stringContaining('Call again in 10 s') })
  wait(4000)
  const second = await expectCode(users.guard('ada', fail('sandbox_unavailable')), 'sandbox_unavailable')
  expect(second.retryAfterMs).toBe(6000)
  expect(starts()).toBe(1)
  wait(6000)
  expect(await users.guard('ada', () => Promise.resolve('well'))).toBe('well')
  await expectCode(users.guard('ada', fail('sandbox_unavailable')), 'sandbox_unavailable')
  expect(starts()).toBe(2)
})

test('the pause doubles up to five minutes, and begins anew after a success', async () => {
  const { users, wait, fail } = setUp()
  const pauses: (number | undefined)[] = []
  for (let times = 0; times < 7; times++) {
    const { retryAfterMs } = await expectCode(users.guard('ada', fail('sandbox_unavailable')), 'sandbox_unavailable')
    pauses.push(retryAfterMs)
    wait(retryAfterMs ?? 0)
  }
  expect(pauses).toEqual([10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000])
  await users.guard('ada', () => Promise.resolve())
  const { retryAfterMs } = await expectCode(users.guard('ada', fail('sandbox_unavailable')), 'sandbox_unavailable')
  expect(retryAfterMs).toBe(10_000)
})

test('other users, and other failures, are not concerned', async () => {
  const { users, fail, starts } = setUp()
  await expectCode(users.guard('ada', fail('engine_unreachable')), 'engine_unreachable')
  await expectCode(users.guard('ada', fail('sandbox_unavailable')), 'sandbox_unavailable')
  expect(await users.guard('bob', () => Promise.resolve('well'))).toBe('well')
  expect(starts()).toBe(2)
})

test('a user who asks for a new start gets one at once', async () => {
  const { users, fail } = setUp()
  await expectCode(users.guard('ada', fail('sandbox_unavailable')), 'sandbox_unavailable')
  users.forget('ada')
  expect(await users.guard('ada', () => Promise.resolve('well'))).toBe('well')
})
