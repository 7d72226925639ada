import { describe, expect, test } from 'vitest'
import { Files, formatVersion, parseVersion } from '../../../src/sandbox/files.ts'
import { FrameType } from '../../../src/supervisor/protocol.ts'
import { failureOf } from '../../helpers/failure.ts'
import { scriptedLink, TEST_FACTS } from '../../helpers/scripted-link.ts'
import { fieldsOf } from '../../helpers/scripted-supervisor.ts'
import { reply } from '../../helpers/supervisor-frames.ts'

async function start(boots?: readonly number[]) {
  const link = await scriptedLink(boots)
  const [supervisor, second] = link.supervisors
  if (!supervisor) throw new Error('no supervisor')
  return { supervisor, second, files: new Files(link, TEST_FACTS) }
}

describe('a version', () => {
  test.each([1n, 35n, 36n, 0x1122334455667788n, 2n ** 63n, 2n ** 64n - 1n])('%s comes back as it was', (version) => {
    expect(parseVersion(formatVersion(version))).toBe(version)
  })

  test.each(['', '0', '000', 'A', 'a b', '-1', '1.5', 'zzzzzzzzzzzzz', (2n ** 64n).toString(36), 'a'.repeat(14)])(
    '%j is none',
    (text) => expect(() => parseVersion(text)).toThrow('not a version'),
  )
})

describe('paths', () => {
  test('are meant from the workspace, and shown as short as they can be', async () => {
    const { supervisor, files } = await start()
    supervisor.answer = ({ type, channel }) =>
      type === FrameType.stat ? reply.error(channel, 'not_found', 2) : undefined
    await expect(files.stat('./a/../b')).rejects.toMatchObject({ code: 'not_found', message: 'b does not exist.' })
    expect(fieldsOf(await supervisor.next(FrameType.stat)).text()).toBe('/workspace/b')
    expect([files.shown('/workspace/x/y'), files.shown('/etc/x')]).toEqual(['x/y', '/etc/x'])
  })

  test('that cannot be are refused before anything is sent', async () => {
    const { supervisor, files } = await start()
    await expect(files.stat('a\0')).rejects.toMatchObject({ code: 'invalid_argument' })
    expect(supervisor.count(FrameType.stat)).toBe(0)
  })
})

describe('a whole file in memory', () => {
  test('is read up to the limit', async () => {
    const { supervisor, files } = await start()
    supervisor.answer = ({ type, channel }) =>
      type === FrameType.read
        ? Buffer.concat([
            reply.data(channel, Buffer.from('abc')),
            reply.readEnd(channel, Buffer.from('de'), { size: 5 }),
          ])
        : undefined
    const { file, data } = await files.readBytes('x', 5)
    expect([file.sizeBytes, data.toString()]).toEqual([5, 'abcde'])
    const fields = fieldsOf(await supervisor.next(FrameType.read))
    expect([fields.text(), fields.u64(), fields.u64()]).toEqual(['/workspace/x', 0n, 6n])
  })

  test('is refused above it', async () => {
    const { supervisor, files } = await start()
    supervisor.answer = ({ type, channel }) =>
      type === FrameType.read ? reply.readEnd(channel, Buffer.from('abcdef')) : undefined
    await expect(files.readBytes('x', 5)).rejects.toMatchObject({
      code: 'too_large',
      message: 'x is larger than 5 bytes.',
    })
  })

  test('is read from the start again after a cut', async () => {
    const { supervisor, second, files } = await start([1, 2])
    const reading = files.readBytes('x', 100)
    const { channel } = await supervisor.next(FrameType.read)
    await supervisor.send(reply.data(channel, Buffer.from('half')))
    if (second) {
      second.answer = (frame) =>
        frame.type === FrameType.read ? reply.readEnd(frame.channel, Buffer.from('whole')) : undefined
    }
    supervisor.program.cut()
    expect((await reading).data.toString()).toBe('whole')
  })
})

describe('a write', () => {
  test('creates parents, and passes on what it was told', async () => {
    const { supervisor, files } = await start()
    supervisor.answer = ({ type, channel }) => (type === FrameType.write ? reply.written(channel) : undefined)
    await files.write('d/x', Buffer.from('data'), { mode: 'append', executable: true, ifVersion: 3n })
    const fields = fieldsOf(await supervisor.next(FrameType.write))
    expect([fields.text(), fields.u8(), fields.u8(), fields.u64()]).toEqual(['/workspace/d/x', 3, 7, 3n])
  })

  test('is repeated after a cut only when that has the same effect', async () => {
    const again = await start([1, 2])
    const writing = again.files.write('x', Buffer.from('data'), { mode: 'overwrite' })
    await again.supervisor.next(FrameType.write)
    if (again.second)
      again.second.answer = ({ type, channel }) => (type === FrameType.write ? reply.written(channel) : undefined)
    again.supervisor.program.cut()
    expect(await writing).toMatchObject({ created: true })

    for (const write of [{ mode: 'append' }, { mode: 'create' }, { mode: 'overwrite', ifVersion: 1n }] as const) {
      const once = await start([1, 1])
      const failure = failureOf(once.files.write('x', Buffer.from('data'), write))
      await once.supervisor.next(FrameType.write)
      once.supervisor.program.cut()
      expect(await failure).toMatchObject({ code: 'sandbox_stopped' })
      expect(once.second?.count(FrameType.write)).toBe(0)
    }
  })
})

test('a listing folds what is large and dull', async () => {
  const { supervisor, files } = await start()
  supervisor.answer = ({ type, channel }) => (type === FrameType.list ? reply.entries(channel, ['a']) : undefined)
  const page = await files.list('.', { depth: 2, hidden: true, sort: 'size', limit: 10, skip: 3, globs: ['*.c'] })
  expect(page.entries.map(({ path }) => path.toString())).toEqual(['a'])
  const fields = fieldsOf(await supervisor.next(FrameType.list))
  expect([fields.text(), fields.u32(), fields.u8(), fields.u8(), fields.u32(), fields.u64()]).toEqual([
    '/workspace',
    2,
    1,
    3,
    10,
    3n,
  ])
  expect(fields.list(4, (each) => each.text())).toEqual(['*.c'])
  expect(fields.list(4, (each) => each.text())).toEqual(['.git', 'node_modules'])
})

test('a removal is not repeated after a cut', async () => {
  const { supervisor, second, files } = await start([1, 1])
  const failure = failureOf(files.remove('x', true))
  await supervisor.next(FrameType.remove)
  supervisor.program.cut()
  expect(await failure).toMatchObject({ code: 'sandbox_stopped' })
  expect(second?.count(FrameType.remove)).toBe(0)
})
