import { describe, expect, test } from 'vitest'
import { overLink, type Repeat } from '../../../src/sandbox/link.ts'
import type { SupervisorClient } from '../../../src/supervisor/client.ts'
import { ConnectionHeld, ConnectionLost, WireError } from '../../../src/supervisor/errors.ts'

type Outcome = 'ok' | Error

/** A client of the given boot whose answers are scripted. */
function fakeClient(boot: number, answers: Outcome[]) {
  const client = { connection: { hello: { bootId: Buffer.alloc(16, boot) } } } as unknown as SupervisorClient
  const ask = () => {
    const answer = answers.shift()
    if (answer === undefined) throw new Error('asked once too often')
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(boot)
  }
  return { client, ask }
}

/** Clients in the order in which the link gives them; the last stays. */
function run(repeat: Repeat, clients: readonly [boot: number, ...answers: Outcome[]][]) {
  const fakes = clients.map(([boot, ...answers]) => fakeClient(boot, answers))
  let given = -1
  let evictionWaits = 0
  const next = () => {
    given = Math.min(given + 1, fakes.length - 1)
    const fake = fakes[given]
    if (!fake) throw new Error('no client')
    return Promise.resolve(fake.client)
  }
  const link = {
    client: next,
    afterEviction: () => {
      evictionWaits++
      return next()
    },
  }
  const asked = overLink(link, repeat, undefined, (client) => {
    const fake = fakes.find((each) => each.client === client)
    if (!fake) throw new Error('an unknown client')
    return fake.ask()
  })
  return { asked, evictionWaits: () => evictionWaits }
}

const lost = () => new ConnectionLost('cut')
const held = () => new WireError('quiescing', 0)
const stopped = { code: 'sandbox_stopped' }

describe('a lost connection', () => {
  test('is made up for in the same boot', async () => {
    await expect(
      run('anywhere', [
        [1, lost()],
        [1, 'ok'],
      ]).asked,
    ).resolves.toBe(1)
    await expect(
      run('same boot', [
        [1, lost()],
        [1, 'ok'],
      ]).asked,
    ).resolves.toBe(1)
  })

  test('is made up for in another boot only where that is safe', async () => {
    await expect(
      run('anywhere', [
        [1, lost()],
        [2, 'ok'],
      ]).asked,
    ).resolves.toBe(2)
    await expect(
      run('same boot', [
        [1, lost()],
        [2, 'ok'],
      ]).asked,
    ).rejects.toMatchObject(stopped)
  })

  test('is told at once when the request may not be repeated', async () => {
    await expect(
      run('never', [
        [1, lost()],
        [1, 'ok'],
      ]).asked,
    ).rejects.toMatchObject(stopped)
  })

  test('is told when it happens twice', async () => {
    await expect(
      run('anywhere', [
        [1, lost()],
        [1, lost()],
      ]).asked,
    ).rejects.toMatchObject(stopped)
  })
})

describe('the hold of an eviction', () => {
  test.each(['anywhere', 'same boot', 'never'] as const)(
    'is waited for, since nothing was done (%s)',
    async (repeat) => {
      const { asked, evictionWaits } = run(repeat, [
        [1, held()],
        [2, 'ok'],
      ])
      await expect(asked).resolves.toBe(2)
      expect(evictionWaits()).toBe(1)
    },
  )

  test.each(['anywhere', 'same boot', 'never'] as const)(
    'in which the sandbox ended before the answer is waited for, since nothing was begun (%s)',
    async (repeat) => {
      const { asked, evictionWaits } = run(repeat, [
        [1, new ConnectionHeld('ended')],
        [2, 'ok'],
      ])
      await expect(asked).resolves.toBe(2)
      expect(evictionWaits()).toBe(1)
    },
  )

  test('is waited for twice', async () => {
    const { asked, evictionWaits } = run('never', [
      [1, new ConnectionHeld('ended')],
      [2, held()],
      [3, 'ok'],
    ])
    await expect(asked).resolves.toBe(3)
    expect(evictionWaits()).toBe(2)
  })

  test('after a lost connection is waited for too', async () => {
    const { asked, evictionWaits } = run('anywhere', [
      [1, lost()],
      [1, held()],
      [2, 'ok'],
    ])
    await expect(asked).resolves.toBe(2)
    expect(evictionWaits()).toBe(1)
  })

  test('after which the connection is lost is made up for where that is safe', async () => {
    await expect(
      run('same boot', [
        [1, held()],
        [2, lost()],
        [2, 'ok'],
      ]).asked,
    ).resolves.toBe(2)
    await expect(
      run('never', [
        [1, held()],
        [2, lost()],
      ]).asked,
    ).rejects.toMatchObject(stopped)
  })

  test('that comes again and again is told', async () => {
    await expect(
      run('anywhere', [
        [1, held()],
        [1, held()],
        [1, held()],
      ]).asked,
    ).rejects.toMatchObject({
      code: 'quiescing',
    })
  })
})

test('other errors are passed on at once', async () => {
  await expect(run('anywhere', [[1, new WireError('not_found', 2), 'ok']]).asked).rejects.toMatchObject({
    code: 'not_found',
  })
})
