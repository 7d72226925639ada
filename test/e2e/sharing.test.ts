import { describe, expect, test } from 'vitest'
import { useInstallation } from '../helpers/installation.ts'
import { midCommand, runningCommands, startInBackground, untilPrinted } from '../helpers/processes.ts'

const installation = useInstallation()

describe('one user', () => {
  // LC01
  test('gets one sandbox from 50 concurrent first calls over two servers', async () => {
    const user = installation.newUser()
    await using first = await installation.start({ user })
    await using second = await installation.start({ user })
    const outputs = await Promise.all(
      Array.from({ length: 50 }, (_, at) => (at % 2 === 0 ? first : second).output(`echo ${at}`)),
    )
    expect(outputs).toEqual(Array.from({ length: 50 }, (_, at) => String(at)))
    expect(await installation.containers(user)).toHaveLength(1)
    expect(await installation.volumes(user)).toHaveLength(1)
  })

  test('reaches the same files and processes from two servers', async () => {
    const user = installation.newUser()
    await using first = await installation.start({ user })
    await using second = await installation.start({ user })
    await first.call('write_file', { path: 'note.txt', content: 'from the first\n' })
    const id = await startInBackground(first, 'echo ready; cat')

    expect((await second.call('read_file', { path: 'note.txt' })).text).toContain('from the first')
    await untilPrinted(second, id, 'ready')
    await second.call('process_write', { process_id: id, input: 'hello\n', close_stdin: true })
    const { structured } = await first.call('process_read', {
      process_id: id,
      until: 'hello',
      wait_s: 50,
      since: '0:0',
    })
    expect(structured).toMatchObject({ stdout: 'ready\nhello\n', until_met: true })
  })

  test('loses no write when two servers write different files 200 times', async () => {
    const user = installation.newUser()
    await using first = await installation.start({ user })
    await using second = await installation.start({ user })
    await Promise.all(
      Array.from({ length: 200 }, (_, at) =>
        (at % 2 === 0 ? first : second).call('write_file', { path: `many/${at}`, content: String(at) }),
      ),
    )
    expect(await first.output('cat $(ls many | sort -n | sed s,^,many/,) | tr -d "\\n"')).toBe(
      Array.from({ length: 200 }, (_, at) => at).join(''),
    )
  })
})

describe('a server that is killed', () => {
  // LC18
  test('in the middle of commands leaves them running, and the next one finds them with their output', async () => {
    const user = installation.newUser()
    const killed = await installation.start({ user })
    const id = await startInBackground(killed, 'for i in $(seq 100000); do echo tick $i; sleep 0.05; done')
    await untilPrinted(killed, id, 'tick 2\n')
    const { answer } = await midCommand(killed, 'sleep 3600')
    const [before] = await installation.containers(user)
    killed.kill('SIGKILL')
    await expect(answer).rejects.toThrow('Connection closed')
    await killed.exited

    await using next = await installation.start({ user })
    expect(await runningCommands(next)).toEqual(
      expect.arrayContaining(['sleep 3600', expect.stringContaining('echo tick')]),
    )
    const first = await next.call('process_read', { process_id: id, since: '0:0' })
    expect(first.structured.stdout).toMatch(/^tick 1\ntick 2\n/)
    const { next: since } = first.structured
    const more = await next.call('process_read', { process_id: id, since, wait_s: 50 })
    expect(more.structured.stdout).toMatch(/^tick \d+\n/)
    const after = await installation.containers(user)
    expect(after.map((each) => each.id)).toEqual([before?.id])
  })

  // LC17
  test('with five users is followed by servers that adopt all five sandboxes', async () => {
    const users = Array.from({ length: 5 }, () => installation.newUser())
    const killed = await Promise.all(users.map((user) => installation.start({ user })))
    await Promise.all(killed.map((server) => server.output(`echo ${server.user} > who`)))
    const before = await Promise.all(users.map((user) => installation.containers(user)))
    for (const server of killed) server.kill('SIGKILL')
    await Promise.all(killed.map(({ exited }) => exited))

    for (const [at, user] of users.entries()) {
      await using next = await installation.start({ user })
      const { stdout, notice } = await next.exec('cat who')
      expect({ stdout, notice }).toEqual({ stdout: `${user}\n`, notice: undefined })
      expect(await installation.containers(user)).toMatchObject([{ id: before[at]?.[0]?.id }])
    }
  })
})

// IU05
test('names that look alike or cannot be file names belong to different sandboxes with legal names', async () => {
  const longest = 'x'.repeat(256)
  const users = ['a/b', 'a_b', 'a.b', 'A_B', 'a b', longest, '🙂', '..', '-rf', '$(id)', "a'b", 'é', 'e\u0301']
  for (const user of users) {
    await using server = await installation.start({ user })
    expect((await server.exec('ls -A; echo mine > mine')).stdout, user).toBe('')
  }
  const identities = users.map((user) => installation.identityOf(user))
  expect(new Set(identities.map(({ containerName }) => containerName)).size).toBe(users.length)
  for (const user of users) {
    const [container] = await installation.containers(user)
    expect(container?.name).toMatch(/^sandbox-mcp-[0-9a-f]{32}$/)
    expect(await installation.volumes(user)).toHaveLength(1)
  }
})
