import { createHash, randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { ContainerStream } from '../../src/engine/engine.ts'
import { SandboxError } from '../../src/errors/sandbox-error.ts'
import { expectCode } from '../helpers/expect-code.ts'
import { readStream, whenClosed } from '../helpers/stream.ts'
import type { EngineSubject } from './engine.contract.ts'

const UID = 20_001
const MIB = 1024 * 1024

/** Programs that the streams are opened to; a fake plays them by these very arguments. */
export const PROGRAMS = {
  /** Copies stdin to stdout. */
  echo: ['cat'],
  /** Prints 20,000 numbered lines to stderr, "out" to stdout, and exits with 3. */
  complain: ['sh', '-c', 'seq 1 20000 >&2; printf out; exit 3'],
  /** Does not exist. */
  missing: ['/no/such/program'],
  /** Prints its uid, and all its groups. */
  whoami: ['/bin/sh', '-c', 'id -u; id -G'],
} as const

/** The part of the contract about streams. */
export function describeStreams(getSubject: () => EngineSubject): void {
  describe('streams', () => {
    const startContainer = async (): Promise<string> => {
      const { engine, spec } = getSubject()
      const { id } = await engine.containers.create(await spec())
      await engine.containers.start(id)
      return id
    }
    const open = (id: string, command: readonly string[], uid = UID): Promise<ContainerStream> =>
      getSubject().engine.containers.openStream(id, { command, uid })

    test('carry 10 MB to a program and back, byte for byte, within the bounds of back-pressure', async () => {
      const stream = await open(await startContainer(), PROGRAMS.echo)
      const sent = createHash('sha256')
      const received = createHash('sha256')
      let receivedBytes = 0
      const finished = new Promise<void>((resolve) => {
        stream.onData((piece) => {
          received.update(piece)
          receivedBytes += piece.length
          if (receivedBytes === 10 * MIB) resolve()
        })
      })
      for (let sentBytes = 0; sentBytes < 10 * MIB; sentBytes += MIB / 4) {
        const piece = randomBytes(MIB / 4)
        sent.update(piece)
        await stream.write(piece)
      }
      await finished
      expect(received.digest('hex')).toBe(sent.digest('hex'))
      stream.close()
    })

    test('stop taking bytes when nobody reads, and go on when somebody does', async () => {
      const stream = await open(await startContainer(), PROGRAMS.echo)
      let receivedBytes = 0
      stream.onData((piece) => {
        receivedBytes += piece.length
      })
      stream.pause()
      let writtenBytes = 0
      const piece = Buffer.alloc(256 * 1024, 'x')
      const writing = (async () => {
        while (writtenBytes < 32 * MIB) {
          await stream.write(piece)
          writtenBytes += piece.length
        }
      })()
      // Taken while paused: what the buffers on the way hold. It stops well before the whole.
      let before = -1
      await expect
        .poll(
          () => {
            const isStill = writtenBytes === before
            before = writtenBytes
            return isStill
          },
          { interval: 300, timeout: 20_000 },
        )
        .toBe(true)
      expect(writtenBytes).toBeLessThan(16 * MIB)
      stream.resume()
      await writing
      await expect.poll(() => receivedBytes, { timeout: 20_000 }).toBe(32 * MIB)
      stream.close()
    })

    test('run the program as the given uid and its own group alone', async () => {
      const { stdout } = await readStream(await open(await startContainer(), PROGRAMS.whoami, 20_000))
      expect(stdout.toString()).toBe('20000\n20000\n')
    })

    test('end with the exit code as an error, and the last 4 KiB of stderr', async () => {
      const { error, stderr, stdout } = await readStream(await open(await startContainer(), PROGRAMS.complain))
      expect(stdout.toString()).toBe('out')
      expect(stderr).toHaveLength(4096)
      expect(stderr.endsWith('\n19999\n20000\n')).toBe(true)
      expect((await expectCode(error, 'engine_failed')).details).toMatchObject({ exitCode: 3 })
    })

    test('close with an error when the program does not exist', async () => {
      const { error } = await readStream(await open(await startContainer(), PROGRAMS.missing))
      await expectCode(error, 'engine_failed')
    })

    test('close when the container is killed, and refuse to write from then on', async () => {
      const id = await startContainer()
      const stream = await open(id, PROGRAMS.echo)
      stream.onData(() => undefined)
      const closed = whenClosed(stream)
      await getSubject().kill(id)
      expect((await closed).error).toBeInstanceOf(SandboxError)
      await expectCode(stream.write(Buffer.from('x')), 'engine_unreachable')
    })

    test('close without an error when we close them, once and for all', async () => {
      const stream = await open(await startContainer(), PROGRAMS.echo)
      stream.onData(() => undefined)
      const closed = whenClosed(stream)
      stream.close()
      stream.close()
      expect((await closed).error).toBeUndefined()
      await expectCode(stream.write(Buffer.from('x')), 'engine_unreachable')
    })

    test('reject a write that waits when they are closed', async () => {
      const stream = await open(await startContainer(), PROGRAMS.echo)
      stream.onData(() => undefined)
      stream.pause()
      const flood = (async () => {
        for (;;) await stream.write(Buffer.alloc(1024 * 1024))
      })()
      const failed = expectCode(flood, 'engine_unreachable')
      setImmediate(() => stream.close())
      await failed
    })

    test('of one container are independent of each other', async () => {
      const id = await startContainer()
      const streams = await Promise.all([1, 2, 3].map(() => open(id, PROGRAMS.echo)))
      const echoes = streams.map((stream, index) => {
        const echoed = new Promise<string>((resolve) => stream.onData((piece) => resolve(piece.toString())))
        void stream.write(Buffer.from(`message ${index}`))
        return echoed
      })
      expect(await Promise.all(echoes)).toEqual(['message 0', 'message 1', 'message 2'])
      for (const stream of streams) stream.close()
    })
  })
}
