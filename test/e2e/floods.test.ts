import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { useInstallation } from '../helpers/installation.ts'
import { startInBackground } from '../helpers/processes.ts'

const installation = useInstallation()
const MIB = 1024 ** 2

/** Resident memory of a process in bytes (proc_pid_status(5)). */
function residentBytes(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(match?.[1]) * 1024
}

// RX21, RX22
test.each([
  ['lines', 'yes'],
  ['one endless line', 'tr "\\0" x < /dev/zero'],
  ['NUL bytes', 'cat /dev/zero'],
])('a flood of %s is cut, counted and kept out of the server’s memory', async (_name, flood) => {
  await using server = await installation.start({ user: installation.newUser() })
  await server.exec('true')
  const before = residentBytes(server.pid)
  const answer = await server.call('shell_exec', { command: `${flood} | head -c 300000000`, timeout_s: 60 })
  const { stdout, stdout_bytes: total, stdout_omitted_bytes: omitted, status } = answer.structured
  expect({ status, total }).toEqual({ status: 'exited', total: 300_000_000 })
  expect(omitted).toBeGreaterThan(total - 64 * 1024)
  expect(stdout.length).toBeLessThan(100_000)
  expect(stdout).toMatch(/\[… .+ omitted: process_read process_id=\S+ since=\d+:0 …\]/)
  expect(residentBytes(server.pid) - before).toBeLessThan(50 * MIB)
})

test('while one command floods without end, other calls of the user are answered and the flood can be ended', async () => {
  await using server = await installation.start({ user: installation.newUser() })
  const id = await startInBackground(server, 'yes; true')
  for (let round = 0; round < 20; round++) expect(await server.output(`echo ${round}`)).toBe(String(round))
  const { structured } = await server.call('process_read', { process_id: id, tail_lines: 3 })
  expect(structured.stdout).toMatch(/y\ny\ny\n$/)
  const ended = await server.call('process_write', { process_id: id, signal: 'kill' })
  expect(ended.isError, ended.text).toBe(false)
  await expect
    .poll(async () => (await server.call('process_read', { process_id: id, wait_s: 10 })).structured.status)
    .not.toBe('running')
})

test('every byte of a long output can be paged, from its start, after the command has ended', async () => {
  await using server = await installation.start({ user: installation.newUser() })
  const { process_id: id } = await server.exec('seq 60000')
  let since = '0:0'
  let text = ''
  for (;;) {
    const { structured } = await server.call('process_read', { process_id: id, since, stream: 'stdout' })
    text += structured.stdout
    since = structured.next
    if (structured.stdout_left_bytes === 0) break
  }
  expect(text).toBe(Array.from({ length: 60_000 }, (_, at) => `${at + 1}\n`).join(''))
})
