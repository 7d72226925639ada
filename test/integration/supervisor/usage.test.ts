import { execFileSync } from 'node:child_process'
import { link, mkdir, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { SupervisorClient } from '../../../src/supervisor/client.ts'
import { type LocalSupervisor, startLocalSupervisor } from '../../helpers/local-supervisor.ts'

const BOUNDS = { maxEntries: 1_000_000, maxMs: 60_000 }
const FILES = 20_000

let supervisor: LocalSupervisor
let client: SupervisorClient
/** A directory with many files: tens of steps. */
let large: string

beforeAll(async () => {
  supervisor = await startLocalSupervisor()
  client = await supervisor.connect()
  large = join(supervisor.workspace, 'large')
  execFileSync('/bin/sh', ['-c', `mkdir "$0" && cd "$0" && seq ${FILES} | xargs touch`, large])
})
afterAll(() => supervisor[Symbol.asyncDispose]())

test('bytes and inodes are those that du counts, with sparse and linked files for what they take', async () => {
  const directory = join(supervisor.workspace, 'small')
  await mkdir(join(directory, 'sub'), { recursive: true })
  await writeFile(join(directory, 'data'), Buffer.alloc(1_000_000, 'x'))
  await writeFile(join(directory, 'sub/sparse'), '')
  await truncate(join(directory, 'sub/sparse'), 1024 ** 4)
  await link(join(directory, 'data'), join(directory, 'sub/again'))
  const kib = Number(execFileSync('du', ['-skx', directory], { encoding: 'utf8' }).split('\t')[0])
  const found = await client.usage(directory, BOUNDS)
  expect(found).toMatchObject({ bytes: kib * 1024, entries: 4, stopped: undefined, unseen: undefined })
})

test('without a walk it tells of the file system alone', async () => {
  const found = await client.usage(large, { ...BOUNDS, maxEntries: 0 })
  expect(found).toMatchObject({ bytes: 0, entries: 0, stopped: undefined })
  expect(found?.fsFreeBytes).toBeGreaterThan(0)
  expect(found?.fsBytes).toBeGreaterThan(found?.fsFreeBytes ?? 0)
})

test('other requests are answered while it walks', async () => {
  const order: string[] = []
  const walks = [1, 2].map(() => client.usage(large, BOUNDS).then((found) => (order.push('walk'), found)))
  // More than one turn of the loop and of the threads takes.
  const reads = Array.from({ length: 40 }, () =>
    client
      .list({
        path: supervisor.workspace,
        depth: 1,
        hidden: false,
        sort: 'name',
        limit: 10,
        skip: 0,
        globs: [],
        folds: [],
      })
      .then(() => order.push('read')),
  )
  const [first] = await Promise.all([...walks, ...reads])
  expect(first).toMatchObject({ entries: FILES + 1 })
  expect(order.slice(0, 40)).toEqual(Array.from({ length: 40 }, () => 'read'))
})

test('a third walk at once is refused, and an aborted one makes room for another', async () => {
  const controller = new AbortController()
  const given = client.usage(large, BOUNDS, { signal: controller.signal })
  const kept = client.usage(large, BOUNDS)
  await expect(client.usage(large, BOUNDS)).rejects.toMatchObject({ code: 'too_many' })
  controller.abort(new Error('no longer wanted'))
  await expect(given).rejects.toThrow('no longer wanted')
  await expect(kept).resolves.toMatchObject({ entries: FILES + 1 })
  await expect(client.usage(large, BOUNDS)).resolves.toMatchObject({ entries: FILES + 1 })
})

test('it is no use of the sandbox, and goes on while an eviction holds it', async () => {
  const { idleMs } = await client.info()
  await client.usage(supervisor.workspace, BOUNDS)
  expect((await client.info()).idleMs).toBeGreaterThanOrEqual(idleMs)
  expect(await client.quiesce(0, 5000)).toMatchObject({ ok: true })
  await expect(client.usage(supervisor.workspace, BOUNDS)).resolves.toMatchObject({ stopped: undefined })
  await client.quiesce(0, 0)
})
