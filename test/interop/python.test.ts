import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import { INTEROP } from '../helpers/interop-packages.ts'
import { PYTHON } from '../helpers/interop-python.ts'
import { type Person, useDeployment } from './deployment.ts'
import { type Leg, legsOf } from './matrix.ts'

const deployment = useDeployment()
const DEADLINE_MS = 100_000

/** What the scripts in `python/` print for each way. */
interface Outcome {
  /** The traceback of a session that failed; all else is missing then. */
  readonly error?: string
  readonly protocol?: string
}

/** LangChain's tools for Python open a session for each call, over stdio a process. */
const PER_CALL = 'a session for each call'

describe.skipIf(inject('pythonMissing') !== '').each([
  { name: 'the official SDK for Python', script: 'mcp_client.py', legs: legsOf('pythonSdk') },
  { name: 'FastMCP', script: 'fastmcp_client.py', legs: legsOf('fastMcp') },
])('$name', ({ script, legs }) => {
  let ran: readonly { readonly person: Person; readonly outcome: Outcome }[]

  beforeAll(async () => {
    const people = legs.map(() => deployment.newPerson())
    const outcomes = await runSessions(script, legs, people)
    ran = people.map((person, index) => ({ person, outcome: outcomes[index] as Outcome }))
  })

  test.each(legs.map(([transport, mode, revision], index) => [transport, mode, revision, index] as const))(
    'calls tools over %s, mode %s: %s, one sandbox',
    async (_transport, _mode, revision, index) => {
      const { outcome, person } = ran[index] as (typeof ran)[number]
      expect(outcome.error).toBeUndefined()
      expect(outcome).toMatchObject({
        protocol: revision,
        tools: expect.arrayContaining(['shell_exec', 'read_file', 'write_file', 'list_files', 'upload']) as string[],
        read: expect.stringContaining('from Python') as string,
        ran: { stdout: 'from Python\n', exit_code: 3 },
        ranBlocks: ['text', 'text'],
        total: 1,
        image: ['image/png'],
        refused: expect.stringMatching(/^not_found: /) as string,
      })
      expect(await deployment.containers(person)).toHaveLength(1)
    },
  )
})

/** One outcome for each leg; all sessions run at the same time, in one process. */
async function runSessions(script: string, legs: readonly Leg[], people: readonly Person[]): Promise<Outcome[]> {
  const ways = legs.map(([transport, mode], index) => ({
    transport,
    ...(mode === PER_CALL ? { mode: 'legacy', per_call: true } : { mode }),
    ...people[index]?.[transport],
  }))
  const line = [join(INTEROP, 'python', script), JSON.stringify(ways)]
  const { stdout } = await promisify(execFile)(PYTHON, line, { timeout: DEADLINE_MS })
  return JSON.parse(stdout) as Outcome[]
}
