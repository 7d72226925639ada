import { createHash } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import { beforeEach, describe, expect, test } from 'vitest'
import { deferred } from '../../../src/lib/deferred.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { failureOf } from '../../helpers/failure.ts'
import { seededBytes } from '../../helpers/random.ts'
import { useRealSandbox } from '../../helpers/real-sandbox.ts'

const MIB = 1024 * 1024
const SIZE = 64 * MIB
const PIECE = seededBytes(MIB)
const WHOLE = { offset: 0, length: 0 }
const ANY = { mode: 'overwrite', maxBytes: SIZE } as const

const sandbox = useRealSandbox('python-minimal', { 'file-size': '80MiB', 'tmp-size': '32MiB' })
const transfer = () => sandbox().sandbox.transfer

/** Every test works in a directory of its own. */
let dir = ''
let tests = 0
beforeEach(async () => {
  dir = `t${tests++}`
  await sandbox().output(`mkdir ${dir}`)
})

/** Pieces of 1 MiB, each of them different. */
async function* pieces(bytes: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes; at += PIECE.length) {
    await turn()
    const piece = Buffer.from(PIECE.subarray(0, Math.min(PIECE.length, bytes - at)))
    piece.writeUInt32LE(at, 0)
    yield piece
  }
}

/** Names in the test's directory, hidden ones too. */
async function names(path = dir): Promise<string[]> {
  return (await sandbox().output(`ls -A ${path}`)).split('\n').filter((name) => name !== '')
}

test('64 MiB go in and come out byte for byte', async () => {
  const written = await transfer().write(`${dir}/x`, pieces(SIZE), ANY)
  expect(written).toMatchObject({ created: true, bytes: SIZE })
  expect(await sandbox().output(`sha256sum < ${dir}/x`)).toBe(`${written.sha256}  -`)
  const hash = createHash('sha256')
  const file = await transfer().read(`${dir}/x`, WHOLE, (piece) => void hash.update(piece))
  expect(file).toMatchObject({ sizeBytes: SIZE, version: written.version })
  expect(hash.digest('hex')).toBe(written.sha256)
})

describe('what does not come to its end changes nothing', () => {
  beforeEach(() => sandbox().put(`${dir}/x`, 'old'))

  async function expectOld(): Promise<void> {
    expect(await names()).toEqual(['x'])
    expect(await sandbox().output(`cat ${dir}/x`)).toBe('old')
  }

  test('an abort in the middle', async () => {
    const controller = new AbortController()
    async function* until(): AsyncGenerator<Buffer> {
      for await (const piece of pieces(8 * MIB)) yield piece
      controller.abort(new Error('enough'))
      await new Promise<never>(() => {})
    }
    await expect(transfer().write(`${dir}/x`, until(), ANY, controller.signal)).rejects.toThrow('enough')
    await expectOld()
  })

  test('a source that breaks off', async () => {
    async function* broken(): AsyncGenerator<Buffer> {
      yield* pieces(8 * MIB)
      throw new Error('the client is gone')
    }
    await expect(transfer().write(`${dir}/x`, broken(), ANY)).rejects.toThrow('the client is gone')
    await expectOld()
  })

  test('another digest', async () => {
    const write = { ...ANY, sha256: 'ab'.repeat(32) }
    await expectCode(transfer().write(`${dir}/x`, pieces(8 * MIB), write), 'invalid_argument')
    await expectOld()
  })

  test('a file that changed meanwhile, with a version', async () => {
    const { version } = await sandbox().sandbox.files.stat(`${dir}/x`)
    async function* meanwhile(): AsyncGenerator<Buffer> {
      yield* pieces(2 * MIB)
      await sandbox().put(`${dir}/x`, 'other')
    }
    const write = { ...ANY, ifVersion: version }
    await expectCode(transfer().write(`${dir}/x`, meanwhile(), write), 'stale_version')
    expect([await names(), await sandbox().output(`cat ${dir}/x`)]).toEqual([['x'], 'other'])
  })

  test('more than a file may have', async () => {
    const write = { ...ANY, maxBytes: 200 * MIB }
    await expectCode(transfer().write(`${dir}/x`, pieces(100 * MIB), write), 'too_large')
    await expectOld()
  })
})

test('a full /tmp is told, and left as it was', async () => {
  const before = await names('/tmp')
  await expectCode(transfer().write('/tmp/x', pieces(SIZE), ANY), 'disk_full')
  expect(await names('/tmp')).toEqual(before)
})

describe('a file that changes while it is read', () => {
  test('is read whole in its old state when it is replaced', async () => {
    const { sha256 } = await transfer().write(`${dir}/x`, pieces(16 * MIB), ANY)
    const hash = createHash('sha256')
    let replaced: Promise<unknown> | undefined
    await transfer().read(`${dir}/x`, WHOLE, async (piece) => {
      hash.update(piece)
      await (replaced ??= transfer().write(`${dir}/x`, pieces(MIB), ANY))
    })
    expect(hash.digest('hex')).toBe(sha256)
  })

  test('fails an archive when it is changed in place', async () => {
    await transfer().write(`${dir}/x`, pieces(16 * MIB), ANY)
    const packing = transfer().pack(dir, 'zip')[Symbol.asyncIterator]()
    await packing.next()
    await sandbox().output(`truncate -s 1M ${dir}/x`)
    const rest = async () => {
      while (!(await packing.next()).done);
    }
    await expectCode(rest(), 'stale_version')
  })
})

test('a read that is given up frees the way for others', async () => {
  await transfer().write(`${dir}/x`, pieces(SIZE), ANY)
  const controller = new AbortController()
  const reading = transfer().read(`${dir}/x`, WHOLE, () => controller.abort(new Error('enough')), controller.signal)
  await expect(reading).rejects.toThrow('enough')
  expect(await sandbox().output('echo here')).toBe('here')
})

test('commands are answered while eight streams are full, and nobody takes what is read', async () => {
  await transfer().write(`${dir}/x`, pieces(SIZE), ANY)
  const over = new AbortController()
  let sent = 0
  async function* endless(): AsyncGenerator<Buffer> {
    while (!over.signal.aborted) {
      await turn()
      sent += PIECE.length
      yield PIECE
      // Over and over, as much as fits.
      if (sent % (48 * MIB) === 0) return
    }
  }
  const writing = async (name: string) => {
    while (!over.signal.aborted) await transfer().write(`${dir}/${name}`, endless(), ANY)
  }
  const stuck = deferred<void>()
  const writers = ['a', 'b', 'c', 'd'].map(writing)
  const readers = [1, 2, 3, 4].map(() => transfer().read(`${dir}/x`, WHOLE, () => stuck.promise))
  for (let index = 0; index < 20; index++) expect(await sandbox().output(`echo ${index}`)).toBe(String(index))
  expect(sent).toBeGreaterThan(8 * MIB)
  over.abort()
  stuck.resolve()
  await Promise.all([...writers, ...readers])
  expect(await names()).toEqual(['a', 'b', 'c', 'd', 'x'])
})

describe('archives', () => {
  const IN_PYTHON = `
import os, sys
os.makedirs('src/deep', exist_ok=True)
open('src/run.sh', 'w').write('#!/bin/sh')
os.chmod('src/run.sh', 0o755)
open('src/deep/large', 'wb').write(os.urandom(3_000_000))
open('src/é', 'w').write('text')
os.symlink('run.sh', 'src/link')
os.mkfifo('src/pipe')
os.utime('src/run.sh', (1e9, 1e9))
`
  const DIGEST = `find . -type f -exec sha256sum {} + | sort; find . -perm -u+x -type f; find . -type l`

  beforeEach(() => sandbox().put(`${dir}/make.py`, IN_PYTHON))

  test('that are packed here are unpacked by the programs of a sandbox', async () => {
    await sandbox().output(`cd ${dir} && python3 make.py`)
    const before = await sandbox().output(`cd ${dir}/src && ${DIGEST}`)
    const packed = transfer().pack(`${dir}/src`, 'tar.gz')
    await transfer().write(`${dir}/a.tar.gz`, packed, ANY)
    expect(packed.leftOut).toBe(1)
    await sandbox().output(`cd ${dir} && mkdir tar && tar -xzf a.tar.gz -C tar`)
    expect(await sandbox().output(`cd ${dir}/tar && ${DIGEST}`)).toBe(before)
    expect(await sandbox().output(`stat -c %Y ${dir}/tar/run.sh`)).toBe('1000000000')
    await transfer().write(`${dir}/a.zip`, transfer().pack(`${dir}/src`, 'zip'), ANY)
    await sandbox().output(`cd ${dir} && python3 -m zipfile -e a.zip zip`)
    const sums = (text: string) => text.split('\n').filter((line) => /^[0-9a-f]{64} /.test(line))
    expect(sums(await sandbox().output(`cd ${dir}/zip && ${DIGEST}`))).toEqual(sums(before))
  })

  test.each([
    ['tar', 'tar -cf a -C src .'],
    ['tar', 'tar --format=gnu -cf a -C src .'],
    ['tar.gz', 'tar --format=pax -czf a -C src .'],
    ['zip', 'cd src && python3 -m zipfile -c ../a run.sh deep é'],
  ] as const)('that programs of a sandbox made are unpacked here: %s by %s', async (kind, command) => {
    await sandbox().output(`cd ${dir} && python3 make.py && rm src/link src/pipe && (${command})`)
    const packed: Buffer[] = []
    await transfer().read(`${dir}/a`, WHOLE, (piece) => void packed.push(Buffer.from(piece)))
    const options = { overwrite: true, maxBytes: SIZE }
    const extracted = await transfer().extract(once(packed), kind, `${dir}/out/deeper`, options)
    expect(extracted).toEqual({ files: 3, bytes: 3_000_000 + 9 + 4 })
    const sums = 'find . -type f -exec sha256sum {} + | sort'
    expect(await sandbox().output(`cd ${dir}/out/deeper && ${sums}`)).toBe(
      await sandbox().output(`cd ${dir}/src && ${sums}`),
    )
    expect(await names(`${dir}/out/deeper`)).toEqual(['deep', 'run.sh', 'é'])
  })

  test('that do not fit change nothing, also what is kept meanwhile', async () => {
    await sandbox().output(`cd ${dir} && mkdir src && head -c 60M /dev/urandom > src/x && tar -cf a.tar -C src x`)
    await sandbox().output(
      `cd ${dir} && python3 -m zipfile -c a.zip src/x && mkdir /tmp/${dir} && touch /tmp/${dir}/mine`,
    )
    for (const kind of ['tar', 'zip'] as const) {
      const options = { overwrite: true, maxBytes: SIZE * 2 }
      const archive = readAll(`${dir}/a.${kind}`)
      await expectCode(transfer().extract(archive, kind, `/tmp/${dir}/out`, options), 'disk_full')
    }
    expect(await names(`/tmp/${dir}`)).toEqual(['mine'])
    expect(await names('.cache/sandbox-mcp')).toEqual([])
  })

  test('do not write through links that are there', async () => {
    await sandbox().output(
      `cd ${dir} && mkdir -p src/d out elsewhere && echo new > src/d/x && echo new > src/y && tar -cf a -C src .`,
    )
    const options = { overwrite: true, maxBytes: SIZE }
    await sandbox().output(`cd ${dir} && ln -s ../elsewhere out/d`)
    const failure = await expectCode(
      transfer().extract(readAll(`${dir}/a`), 'tar', `${dir}/out`, options),
      'already_exists',
    )
    expect(failure.message).toBe(`${dir}/out/d is there and is no directory, as it is in the archive.`)
    await sandbox().output(`cd ${dir} && rm out/d && echo mine > elsewhere/y && ln -s ../elsewhere/y out/y`)
    await transfer().extract(readAll(`${dir}/a`), 'tar', `${dir}/out`, options)
    expect(await sandbox().output(`cd ${dir} && cat elsewhere/y out/y out/d/x`)).toBe('mine\nnew\nnew')
  })

  test('a cut in the middle leaves nothing behind', async () => {
    const controller = new AbortController()
    async function* part(): AsyncGenerator<Buffer> {
      for await (const piece of transfer().pack(dir, 'tar.gz')) yield piece.subarray(0, 5000)
      controller.abort(new Error('enough'))
      await new Promise<never>(() => {})
    }
    await sandbox().output(`cd ${dir} && python3 make.py`)
    const options = { overwrite: true, maxBytes: SIZE }
    const failure = failureOf(transfer().extract(part(), 'tar.gz', `${dir}/out`, options, controller.signal))
    expect(await failure).toMatchObject({ message: expect.stringMatching(/enough|readable tar\.gz/) as string })
    expect(await names()).toEqual(['make.py', 'src'])
  })

  async function* readAll(path: string): AsyncGenerator<Buffer> {
    const { data } = await sandbox().sandbox.files.readBytes(path, SIZE * 2)
    yield* once([data])
  }
})

async function* once(all: readonly Buffer[]): AsyncGenerator<Buffer> {
  await turn()
  yield* all
}
