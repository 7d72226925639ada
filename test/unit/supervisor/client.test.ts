import { expect, test } from 'vitest'
import type { StartRequest } from '../../../src/supervisor/encode.ts'
import { FrameType } from '../../../src/supervisor/protocol.ts'
import { type HostFrame, fieldsOf, openScripted } from '../../helpers/scripted-supervisor.ts'
import { reply } from '../../helpers/supervisor-frames.ts'

const PRIVATE: StartRequest = {
  key: Buffer.alloc(16, 1),
  command: ['df'],
  keepStdinOpen: false,
  private: true,
  timeoutMs: 1000,
  graceMs: 0,
  waitMs: 1000,
  head: 100,
  tail: 100,
  cwd: '/',
  env: [],
  stdin: Buffer.alloc(0),
}

function flagsOf(frame: HostFrame): number {
  const fields = fieldsOf(frame)
  fields.bytes()
  return fields.u8()
}

test('a private command is marked as such', async () => {
  const { supervisor, client } = await openScripted()
  supervisor.answer = ({ type, channel }) => (type === FrameType.start ? reply.result(channel) : undefined)
  await client.start(PRIVATE)
  await client.start({ ...PRIVATE, private: false })
  expect(supervisor.received.filter(({ type }) => type === FrameType.start).map(flagsOf)).toEqual([4, 0])
})

test('a supervisor from before private commands runs them as ordinary ones, and is not asked twice', async () => {
  const { supervisor, client } = await openScripted()
  supervisor.answer = (frame) => {
    if (frame.type !== FrameType.start) return undefined
    return (flagsOf(frame) & 4) !== 0 ? reply.error(frame.channel, 'invalid') : reply.result(frame.channel)
  }
  expect(await client.start(PRIVATE)).toMatchObject({ summary: { status: 'exited' } })
  expect(await client.start(PRIVATE)).toMatchObject({ summary: { status: 'exited' } })
  expect(supervisor.received.filter(({ type }) => type === FrameType.start).map(flagsOf)).toEqual([4, 0, 0])
})

test('what a supervisor refuses for another reason is not tried again', async () => {
  const { supervisor, client } = await openScripted()
  supervisor.answer = ({ type, channel }) => (type === FrameType.start ? reply.error(channel, 'too_many') : undefined)
  await expect(client.start(PRIVATE)).rejects.toMatchObject({ code: 'too_many' })
  expect(supervisor.count(FrameType.start)).toBe(1)
  supervisor.answer = ({ type, channel }) => (type === FrameType.start ? reply.error(channel, 'invalid') : undefined)
  await expect(client.start(PRIVATE)).rejects.toMatchObject({ code: 'invalid' })
  expect(supervisor.count(FrameType.start)).toBe(3)
})

test('a claim is had by whom the supervisor says 1 to, and by nobody else', async () => {
  const { supervisor, client } = await openScripted(undefined, 'hash+claim')
  const answers = [1, 0, 2]
  supervisor.answer = ({ type, channel }) => (type === FrameType.claim ? reply.ok(channel, answers.shift()) : undefined)
  expect([await client.claim(), await client.claim(), await client.claim()]).toEqual([true, false, false])
})

test('a supervisor from before CLAIM is not sent one, and is nobody’s to claim', async () => {
  const { supervisor, client } = await openScripted()
  expect(await client.claim()).toBe(false)
  expect(supervisor.received.filter(({ type }) => type === FrameType.claim)).toEqual([])
})

test('a supervisor from before USAGE is not sent one: it would end the connection, and every request on it', async () => {
  const { supervisor, client } = await openScripted()
  expect(client.knows('usage')).toBe(false)
  expect(await client.usage('/workspace', { maxEntries: 1, maxMs: 1 })).toBeUndefined()
  expect(supervisor.received.filter(({ type }) => type === FrameType.usage)).toEqual([])
})

test.each(['hash+usage', 'hash+claim+usage', 'hash+usage+claim'])(
  'a supervisor that says %j is asked',
  async (build) => {
    const { supervisor, client } = await openScripted(undefined, build)
    supervisor.answer = ({ type, channel }) =>
      type === FrameType.usage ? reply.usage(channel, { bytes: 4096, entries: 3 }) : undefined
    expect(await client.usage('/workspace', { maxEntries: 1, maxMs: 1 })).toMatchObject({ bytes: 4096, entries: 3 })
  },
)
