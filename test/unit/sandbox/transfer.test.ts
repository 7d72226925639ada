import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { Files } from '../../../src/sandbox/files.ts'
import { Transfer, type TransferWrite } from '../../../src/sandbox/transfer.ts'
import { FrameType } from '../../../src/supervisor/protocol.ts'
import { deferred } from '../../../src/lib/deferred.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { failureOf } from '../../helpers/failure.ts'
import { seededBytes } from '../../helpers/random.ts'
import { scriptedLink, TEST_FACTS } from '../../helpers/scripted-link.ts'
import { fieldsOf, type ScriptedSupervisor } from '../../helpers/scripted-supervisor.ts'
import { reply } from '../../helpers/supervisor-frames.ts'

const PIECES = [seededBytes(1000, 1), seededBytes(100_000, 2), Buffer.alloc(0), seededBytes(7, 3)]
const CONTENT = Buffer.concat(PIECES)
const DIGEST = createHash('sha256').update(CONTENT).digest('hex')
const WRITE: TransferWrite = { mode: 'overwrite', maxBytes: CONTENT.length }

async function start(boots?: readonly number[]) {
  const link = await scriptedLink(boots)
  const [supervisor, second] = link.supervisors
  if (!supervisor) throw new Error('no supervisor')
  supervisor.answer = ({ type, channel }) => {
    if (type === FrameType.writeEnd) return reply.written(channel, { version: 77n })
    return type === FrameType.abort ? reply.error(channel, 'cancelled') : undefined
  }
  return { supervisor, second, transfer: new Transfer(new Files(link, TEST_FACTS)) }
}

async function* stream(pieces: readonly Uint8Array[] = PIECES): AsyncGenerator<Uint8Array> {
  await Promise.resolve()
  yield* pieces
}

function arrived(supervisor: ScriptedSupervisor): Buffer {
  return Buffer.concat(
    supervisor.received.filter(({ type }) => type === FrameType.writeData).map(({ payload }) => payload),
  )
}

/** Asserts that the write was given up: the supervisor is told so, and never that it is at its end. */
async function expectGivenUp(supervisor: ScriptedSupervisor): Promise<void> {
  await supervisor.next(FrameType.abort)
  expect(supervisor.count(FrameType.writeEnd)).toBe(0)
}

describe('writing', () => {
  test('a stream arrives byte for byte, counted and hashed on the way', async () => {
    const { supervisor, transfer } = await start()
    const written = await transfer.write('d/x', stream(), WRITE)
    expect(written).toEqual({ created: true, bytes: CONTENT.length, sha256: DIGEST, version: 77n })
    expect(arrived(supervisor).equals(CONTENT)).toBe(true)
  })

  test('mode, version and execute bit reach the supervisor, and parents are created', async () => {
    const { supervisor, transfer } = await start()
    await transfer.write('d/x', stream(), { ...WRITE, mode: 'create', ifVersion: 5n, executable: true })
    const fields = fieldsOf(await supervisor.next(FrameType.write))
    expect([fields.text(), fields.u8(), fields.u8(), fields.u64()]).toEqual(['/workspace/d/x', 2, 6, 5n])
  })

  test.each([DIGEST, DIGEST.toUpperCase()])('the digest that was announced is accepted: %s', async (sha256) => {
    const { transfer } = await start()
    expect(await transfer.write('x', stream(), { ...WRITE, sha256 })).toMatchObject({ sha256: DIGEST })
  })

  test('another digest changes nothing', async () => {
    const { supervisor, transfer } = await start()
    const writing = transfer.write('x', stream(), { ...WRITE, sha256: '0'.repeat(64) })
    const { message, hint } = await expectCode(writing, 'invalid_argument')
    expect(message).toBe(`sha256 does not match: the content that arrived has ${DIGEST}.`)
    expect(hint).toContain('Nothing was changed')
    await expectGivenUp(supervisor)
  })

  test('one byte more than is allowed changes nothing, and the source is let go', async () => {
    const { supervisor, transfer } = await start()
    let letGo = false
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield await Promise.resolve(Buffer.alloc(1000))
      } finally {
        letGo = true
      }
    }
    const { message } = await expectCode(transfer.write('x\n', endless(), { ...WRITE, maxBytes: 10_239 }), 'too_large')
    expect(message).toBe('More than 10 KiB arrived for x\\n.')
    expect(letGo).toBe(true)
    await expectGivenUp(supervisor)
  })

  test('a source that breaks off changes nothing, and has its say', async () => {
    const { supervisor, transfer } = await start()
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield CONTENT
      await Promise.resolve()
      throw new Error('the client is gone')
    }
    await expect(transfer.write('x', broken(), WRITE)).rejects.toThrow('the client is gone')
    await expectGivenUp(supervisor)
  })

  test('an abort changes nothing, also while the source gives nothing', async () => {
    const { supervisor, transfer } = await start()
    const silent = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) }
    const controller = new AbortController()
    const writing = transfer.write('x', silent, WRITE, controller.signal)
    await supervisor.next(FrameType.write)
    controller.abort(new Error('enough'))
    await expect(writing).rejects.toThrow('enough')
    await expectGivenUp(supervisor)
  })

  test('it is not repeated after a cut: the source cannot be read twice', async () => {
    const { supervisor, second, transfer } = await start([1, 1])
    const more = deferred<void>()
    async function* slow(): AsyncGenerator<Uint8Array> {
      yield CONTENT
      await more.promise
    }
    const failure = failureOf(transfer.write('x', slow(), WRITE))
    await supervisor.next(FrameType.writeData)
    supervisor.program.cut()
    expect(await failure).toMatchObject({ code: 'sandbox_stopped' })
    expect(second?.count(FrameType.write)).toBe(0)
    more.resolve()
  })
})

test('a range is read piece by piece, and the file told of', async () => {
  const { supervisor, transfer } = await start()
  const pieces: string[] = []
  const reading = transfer.read('x', { offset: 2, length: 6 }, (piece) => void pieces.push(piece.toString()))
  const asked = await supervisor.next(FrameType.read)
  const fields = fieldsOf(asked)
  expect([fields.text(), fields.u64(), fields.u64()]).toEqual(['/workspace/x', 2n, 6n])
  void supervisor.send(
    reply.data(asked.channel, Buffer.from('abc')),
    reply.readEnd(asked.channel, Buffer.from('def'), { size: 9 }),
  )
  expect(await reading).toMatchObject({ sizeBytes: 9 })
  expect(pieces).toEqual(['abc', 'def'])
})
