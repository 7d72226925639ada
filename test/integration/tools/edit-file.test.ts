import { expect, test } from 'vitest'
import { editFile } from '../../../src/tools/edit-file.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { useRealSandbox } from '../../helpers/real-sandbox.ts'

const real = useRealSandbox('python-minimal')

test('an edit keeps mode, line ends, byte order mark and everything else, byte for byte', async () => {
  const { put, output, call } = real()
  await put('run.sh', Buffer.from('\ufeffone\r\ntwo\n\u{10000} é\r\nno newline at the end'))
  await output('chmod 0751 /workspace/run.sh')
  await call(editFile, { path: 'run.sh', edits: [{ old: 'one\ntwo', new: '1\n2' }] })
  expect(await output('stat -c %a /workspace/run.sh')).toBe('751')
  const bytes = await output('base64 -w 0 /workspace/run.sh')
  expect(Buffer.from(bytes, 'base64').toString()).toBe('\ufeff1\r\n2\n\u{10000} é\r\nno newline at the end')
})

test('of edits at the same time none is lost: each is applied or refused as stale', async () => {
  const { put, output, call } = real()
  const lines = Array.from({ length: 8 }, (_, at) => `line ${at}\n`)
  await put('shared', lines.join(''))
  const outcomes = await Promise.allSettled(
    lines.map((line, at) => call(editFile, { path: 'shared', edits: [{ old: line, new: `done ${at}\n` }] })),
  )
  const done = outcomes.filter(({ status }) => status === 'fulfilled').length
  for (const outcome of outcomes) if (outcome.status === 'rejected') await expectCode(outcome.reason, 'stale_version')
  expect(done).toBeGreaterThan(0)
  expect(await output('grep -c done /workspace/shared')).toBe(String(done))
})

test('a symbolic link is followed, and what cannot be written says so', async () => {
  const { put, output, call } = real()
  await put('target', 'a\n')
  await output('ln -sf target /workspace/link')
  await call(editFile, { path: 'link', edits: [{ old: 'a', new: 'b' }] })
  expect(await output('cat /workspace/target; readlink /workspace/link')).toBe('b\ntarget')
  await expectCode(
    call(editFile, { path: '/etc/os-release', edits: [{ old: 'Debian', new: 'x', replace_all: true }] }),
    'permission_denied',
  )
})
