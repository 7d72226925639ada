import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, inject, test } from 'vitest'
import { useInstallation } from '../helpers/installation.ts'
import { NODE_22, NODE_MODULES } from '../helpers/interop-packages.ts'
import { startHttpServer } from '../helpers/start-http-server.ts'
import { serveFixture } from './fixture/serve.ts'
import { LEGACY, MODERN } from './matrix.ts'

const installation = useInstallation()
const SUITE = join(NODE_MODULES, '@modelcontextprotocol/conformance/dist/index.js')
const DEADLINE_MS = 110_000

/** One check of a scenario, as the suite writes it down. */
interface Check {
  readonly id: string
  readonly status: 'SUCCESS' | 'FAILURE' | 'WARNING' | 'SKIPPED' | 'INFO'
  readonly errorMessage?: string
}

interface Run {
  readonly code: number | string | null | undefined
  readonly output: string
  /** By scenario. */
  readonly checks: ReadonlyMap<string, readonly Check[]>
}

/** Runs every scenario of a revision, those that the suite does not score included. */
async function runSuite(address: URL, revision: string, ...flags: readonly string[]): Promise<Run> {
  const folder = mkdtempSync(join(tmpdir(), 'conformance-'))
  const url = new URL('/mcp', address).href
  const line = [SUITE, 'server', '--url', url, '--requirements', revision, '-o', folder, ...flags]
  const ran = await new Promise<Omit<Run, 'checks'>>((resolve) => {
    execFile(NODE_22, line, { timeout: DEADLINE_MS }, (error, stdout, stderr) =>
      resolve({ code: error ? error.code : 0, output: `${stdout}\n${stderr}` }),
    )
  })
  // Folders are called server-SCENARIO-TIME.
  const checks = readdirSync(folder).map((name): [string, Check[]] => [
    name.replace(/^server-(.*)-\d{4}-\d\d-\d\dT.*$/, '$1'),
    JSON.parse(readFileSync(join(folder, name, 'checks.json'), 'utf8')) as Check[],
  ])
  rmSync(folder, { recursive: true })
  return { ...ran, checks: new Map(checks) }
}

/** Checks of scenarios that otherwise ask nothing special of a server. */
const FIXTURE_CHECKS: readonly string[] = [
  // They call the tools test_missing_capability, test_streaming_elicitation and test_logging_tool.
  'sep-2575-server-rejects-undeclared-capability',
  'sep-2575-missing-capability-http-400',
  'sep-2575-http-server-no-independent-requests-on-stream',
  'sep-2575-server-no-log-without-loglevel',
  // The server has no prompts.
  'sep-2549-prompts-list-caching-hints',
]

describe.skipIf(inject('interopMissing') !== '')('the MCP conformance suite', () => {
  test.each([
    [LEGACY, 33],
    [MODERN, 50],
  ])(
    'finds in revision %s nothing but what is known, with the fixture on this server’s HTTP code',
    async (revision, scenarios) => {
      await using fixture = await serveFixture()
      const baseline = join(import.meta.dirname, `conformance/${revision}.yml`)
      const { code, output, checks } = await runSuite(fixture.address, revision, '--expected-failures', baseline)
      // Also 1 when something in the baseline passes.
      expect(code, output).toBe(0)
      expect(checks.size).toBe(scenarios)
    },
  )

  describe.each([
    {
      revision: LEGACY,
      scenarios: [
        'server-initialize',
        'server-session-lifecycle',
        'ping',
        'tools-list',
        'resources-list',
        'server-sse-multiple-streams',
        'dns-rebinding-protection',
      ],
    },
    {
      revision: MODERN,
      scenarios: [
        'server-stateless',
        'tools-list',
        'resources-list',
        'sep-2164-resource-not-found',
        'server-sse-multiple-streams',
        'dns-rebinding-protection',
        'http-header-validation',
        'caching',
        'input-required-result-unsupported-methods',
      ],
    },
  ])('with the server itself, revision $revision', ({ revision, scenarios }) => {
    let run: Run
    beforeAll(async () => {
      await using server = await startHttpServer({ installation: installation.name })
      run = await runSuite(server.address, revision)
    })

    test.each(scenarios)('%s', (scenario) => {
      const failed = run.checks
        .get(scenario)
        ?.filter(({ id, status }) => (status === 'FAILURE' || status === 'WARNING') && !FIXTURE_CHECKS.includes(id))
      expect(failed, run.output).toEqual([])
    })

    test('makes no sandbox', async () => {
      expect(await installation.containers()).toEqual([])
    })
  })
})
