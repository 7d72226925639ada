import { describe, expect, test } from 'vitest'
import { readFile } from '../../../src/tools/read-file.ts'
import { writeFile } from '../../../src/tools/write-file.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { FakeSupervisor } from '../../helpers/fake-supervisor.ts'
import { runTool } from '../../helpers/run-tool.ts'

describe('write_file', () => {
  test('tells in both channels what happened to which file', async () => {
    const fake = new FakeSupervisor()
    const created = await runTool(writeFile, { path: '/workspace/a/b.txt', content: 'héllo\n' }, fake)
    expect(fake.text('a/b.txt')).toBe('héllo\n')
    expect(created.text).toBe('a/b.txt created: 7 B written.')
    expect(created.footer).toBe('[7 B in all · version rz]')
    expect(created.structured).toEqual({ path: 'a/b.txt', bytes: 7, action: 'created', size: 7, version: 'rz' })
    const again = await runTool(writeFile, { path: 'a/b.txt', content: 'x' }, fake)
    expect(again.structured).toMatchObject({ action: 'overwritten', bytes: 1, size: 1 })
  })

  test('appends', async () => {
    const fake = new FakeSupervisor()
    fake.put('log', 'a\n')
    const outcome = await runTool(writeFile, { path: 'log', content: 'b\n', mode: 'append' }, fake)
    expect(fake.text('log')).toBe('a\nb\n')
    expect(outcome.structured).toMatchObject({ action: 'appended', bytes: 2, size: 4 })
  })

  test('create refuses a file that is there', async () => {
    const fake = new FakeSupervisor()
    fake.put('a', 'old')
    await expectCode(runTool(writeFile, { path: 'a', content: 'new', mode: 'create' }, fake), 'already_exists')
    expect(fake.text('a')).toBe('old')
  })

  test('base64 is decoded strictly: a damaged text writes nothing', async () => {
    const fake = new FakeSupervisor()
    await runTool(writeFile, { path: 'a', content: 'aGk=', encoding: 'base64' }, fake)
    expect(fake.text('a')).toBe('hi')
    await expectCode(runTool(writeFile, { path: 'a', content: 'aGk', encoding: 'base64' }, fake), 'invalid_argument')
    expect(fake.text('a')).toBe('hi')
  })

  test('the version that read_file gives guards against a change in between', async () => {
    const fake = new FakeSupervisor()
    fake.put('a', 'old')
    const version = /version (\w+)/.exec((await runTool(readFile, { path: 'a' }, fake)).text)?.[1]
    await runTool(writeFile, { path: 'a', content: 'newer', if_version: version }, fake)
    await expectCode(runTool(writeFile, { path: 'a', content: 'x', if_version: version }, fake), 'stale_version')
    await expectCode(runTool(writeFile, { path: 'a', content: 'x', if_version: 'NO!' }, fake), 'invalid_argument')
    expect(fake.text('a')).toBe('newer')
  })

  test('executable is passed on', async () => {
    const fake = new FakeSupervisor()
    await runTool(writeFile, { path: 'run.sh', content: '#!/bin/sh\n', executable: true }, fake)
    expect(fake.files.get('/workspace/run.sh')?.executable).toBe(true)
  })
})
