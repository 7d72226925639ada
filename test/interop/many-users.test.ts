import { expect, test } from 'vitest'
import { useDeployment } from './deployment.ts'
import { legsOf } from './matrix.ts'
import { connectV2 } from './v2-client.ts'

const deployment = useDeployment()
const USERS = 50

const LEGS = legsOf('sdkV2').filter(([transport]) => transport !== 'stdio')

test(`${USERS} users with clients of every leg over HTTP work at once, and each sees the own files alone`, async () => {
  const sessions = Array.from({ length: USERS }, async (_, at) => {
    const person = deployment.newPerson()
    const [transport, mode] = LEGS[at % LEGS.length] as (typeof LEGS)[number]
    await using client = await connectV2(person, transport, mode)
    const call = async (name: string, args: Record<string, unknown>) => {
      const { isError, content, structuredContent } = await client.callTool({ name, arguments: args })
      expect(isError ?? false, JSON.stringify(content)).toBe(false)
      return structuredContent as Record<string, unknown>
    }
    await call('write_file', { path: `of-${person.user}`, content: person.user })
    await call('shell_exec', { command: `echo ${person.user} >> common-name` })
    const { stdout } = await call('shell_exec', { command: 'ls; cat common-name' })
    const { entries } = await call('list_files', {})
    return { person, stdout, paths: (entries as { path: string }[]).map(({ path }) => path) }
  })
  const seen = await Promise.all(sessions)
  for (const { person, stdout, paths } of seen) {
    expect(stdout).toBe(`common-name\nof-${person.user}\n${person.user}\n`)
    expect(paths).toEqual(['common-name', `of-${person.user}`])
  }
  const containers = await Promise.all(seen.map(({ person }) => deployment.containers(person)))
  expect(containers.map(({ length }) => length)).toEqual(Array.from({ length: USERS }, () => 1))
  expect(new Set(containers.flat()).size).toBe(USERS)
})
