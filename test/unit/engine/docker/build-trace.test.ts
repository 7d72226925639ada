import { describe, expect, test } from 'vitest'
import { readTrace } from '../../../../src/engine/docker/build-trace.ts'
import { BuildLog } from '../../../../src/engine/docker/image-progress.ts'
import { BadReplyError } from '../../../../src/engine/docker/translate-error.ts'
import type { Progress } from '../../../../src/engine/engine.ts'
import { expectCode } from '../../../helpers/expect-code.ts'

/** A line that Docker 20.10 sent: the third step of three has begun. */
const RECORDED =
  'Cv8BCkdzaGEyNTY6MzgyYTgwZGJmNmU4Zjk0YTNiOTNhYTcwYzdlYWJlMjZlYWRkNTA3YmNiMmQ5NTQ1MTIwNGIwMjY5YTVlN2ZhMhJHc2hhMjU2OjhlYTU2MDU5YzZkM2ZhN2FlZDNlZGI4YmFjNGI2ZmE4MmQxOTExYTdiZTAyOWI4N2ViNTliOGU2NThiNTdmN2MaT1szLzNdIFJVTiBbInNoIiwiLWMiLCJlY2hvIGhpOyBscyAvcnVuL3A7IGNhdCAvcHJvYy9zZWxmL3N0YXR1cyB8IGdyZXAgLWkgY2FwIl0qDAi054vYBhD7ytCdAjIMCLTni9gGEMnc6rgC'

/** A length-delimited field (wire type 2) of a protobuf message. */
function field(number: number, content: Buffer | string): Buffer {
  const bytes = Buffer.from(content)
  return Buffer.concat([Buffer.from([number * 8 + 2]), varint(bytes.length), bytes])
}
function varint(value: number): Buffer {
  const bytes: number[] = []
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest])
    bytes.push((rest % 128) + 128)
  }
}
const vertex = (name: string, { started = true, error = '' } = {}) =>
  field(1, Buffer.concat([field(3, name), ...(started ? [field(5, '')] : []), ...(error ? [field(7, error)] : [])]))
const output = (text: string) => field(3, field(4, text))
const line = (...parts: readonly Buffer[]) => ({
  id: 'moby.buildkit.trace',
  aux: Buffer.concat(parts).toString('base64'),
})

describe('a build status', () => {
  test('as Docker sends it names its vertexes', () => {
    expect(readTrace(RECORDED).vertexes).toEqual([
      {
        name: '[3/3] RUN ["sh","-c","echo hi; ls /run/p; cat /proc/self/status | grep -i cap"]',
        started: true,
        error: '',
      },
    ])
  })

  test('has output in order, also of characters that were cut in two', () => {
    const euro = Buffer.from('€')
    const status = Buffer.concat([field(3, field(4, euro.subarray(0, 1))), field(3, field(4, euro.subarray(1)))])
    expect(readTrace(status.toString('base64')).output).toBe('€')
  })

  test('may have fields of other kinds and a long one', () => {
    const other = Buffer.concat([
      Buffer.from([4 * 8, 0x96, 0x01]),
      Buffer.from([5 * 8 + 1, 1, 2, 3, 4, 5, 6, 7, 8]),
      Buffer.from([6 * 8 + 5, 1, 2, 3, 4]),
      output('x'.repeat(300)),
    ])
    expect(readTrace(other.toString('base64'))).toEqual({ vertexes: [], output: 'x'.repeat(300) })
    expect(readTrace('')).toEqual({ vertexes: [], output: '' })
  })

  test.each([
    ['is cut in a length', Buffer.from([0x0a])],
    ['is shorter than it says', Buffer.from([0x0a, 5, 1])],
    ['has a length that never ends', Buffer.alloc(20, 0xff)],
    ['says that it is longer than memory', Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f])],
    ['has a group', Buffer.from([0x0b])],
    ['has a vertex that is cut', field(1, Buffer.from([0x1a, 9]))],
  ])('that %s is refused', (_, bytes) => {
    expect(() => readTrace(bytes.toString('base64'))).toThrow(BadReplyError)
  })
})

describe('the log of a build', () => {
  function follow(lines: readonly unknown[]) {
    const heard: Progress[] = []
    const log = new BuildLog((progress) => heard.push(progress))
    for (const each of lines) log.take(each)
    return { heard, failure: Promise.resolve().then(() => log.throwIfFailed('x:1')) }
  }

  test('tells each step once, without its mounts', async () => {
    const { heard, failure } = follow([
      line(vertex('[internal] load build context')),
      line(vertex('[1/2] FROM a'), vertex('[2/2] RUN --mount=type=tmpfs,target=/tmp ["make"]', { started: false })),
      line(vertex('[2/2] RUN --mount=type=tmpfs,target=/tmp ["make"]')),
      line(vertex('[2/2] RUN --mount=type=tmpfs,target=/tmp ["make"]')),
      line(vertex('[stage-1  2/12] COPY a b')),
      { stream: 'STEP 3/12: RUN make\n' },
      { stream: 'Successfully tagged x:1\n' },
    ])
    expect(heard).toEqual([
      { step: 1, steps: 2, text: 'FROM a' },
      { step: 2, steps: 2, text: 'RUN ["make"]' },
      { step: 2, steps: 12, text: 'COPY a b' },
      { step: 3, steps: 12, text: 'RUN make' },
    ])
    await expect(failure).resolves.toBeUndefined()
  })

  test('names the first vertex that failed, and keeps the last of the output', async () => {
    const { failure } = follow([
      line(vertex('[2/3] RUN ["make"]'), output('x'.repeat(10_000)), output('no rule\n')),
      line(vertex('[2/3] RUN ["make"]', { error: 'exit code: 2' }), vertex('[3/3] RUN ["b"]', { error: 'canceled' })),
      { error: 'process "make" did not complete successfully: exit code: 2' },
    ])
    const error = await expectCode(failure, 'image_unavailable')
    expect(error.message).toBe('The image "x:1" could not be built: step 2/3 (RUN ["make"]) failed.')
    expect(error.details['log']).toMatch(/^x+no rule\nprocess "make" did not complete successfully: exit code: 2\n$/)
    expect(String(error.details['log']).length).toBe(8192)
  })

  test('tells a full disk from a failed step', async () => {
    const { failure } = follow([{ error: 'write /x: no space left on device' }])
    await expectCode(failure, 'disk_full')
  })
})
