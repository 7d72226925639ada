import { expect, test } from 'vitest'
import { deferred } from '../../../src/lib/deferred.ts'
import { type ReadInto, readPieces } from '../../../src/sandbox/read-pieces.ts'
import type { FileInfo } from '../../../src/supervisor/protocol.ts'

const FILE: FileInfo = { type: 'file', mode: 0o644, sizeBytes: 6, mtimeMs: 0, version: 1n }

/** Gives pieces one after the other, each when the one before was taken, then ends. */
function reading(pieces: readonly string[], given: string[] = [], failure?: Error): ReadInto {
  return async (sink, signal) => {
    for (const piece of pieces) {
      signal.throwIfAborted()
      given.push(piece)
      await sink(Buffer.from(piece))
    }
    if (failure) throw failure
    return FILE
  }
}

test('pieces come in order, each asked for when the one before was taken, and the file at the end', async () => {
  const given: string[] = []
  const pieces = readPieces(reading(['ab', 'cd', 'ef'], given), undefined)
  for (const [at, text] of ['ab', 'cd', 'ef'].entries()) {
    expect(await pieces.next()).toEqual({ done: false, value: Buffer.from(text) })
    expect(given.length).toBe(at + 1)
  }
  expect(await pieces.next()).toEqual({ done: true, value: FILE })
})

test('a failure is told after what came before it', async () => {
  const pieces = readPieces(reading(['ab'], [], new Error('cut')), undefined)
  expect(await pieces.next()).toEqual({ done: false, value: Buffer.from('ab') })
  await expect(pieces.next()).rejects.toThrow('cut')
})

test('leaving the loop ends the read', async () => {
  const ended = deferred<void>()
  const endless: ReadInto = async (sink, signal) => {
    signal.addEventListener('abort', () => ended.resolve())
    await sink(Buffer.from('x'))
    return FILE
  }
  for await (const piece of readPieces(endless, undefined)) {
    expect(piece.toString()).toBe('x')
    break
  }
  await ended.promise
})

test('the signal ends the read with its reason', async () => {
  const controller = new AbortController()
  const stuck: ReadInto = (_, signal) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error))
    })
  const next = readPieces(stuck, controller.signal).next()
  controller.abort(new Error('enough'))
  await expect(next).rejects.toThrow('enough')
  await expect(readPieces(stuck, controller.signal).next()).rejects.toThrow('enough')
})
