import { NO_HANDOVER } from '../../src/lib/handover.ts'
import { noTelemetry } from '../../src/lib/telemetry.ts'
import { toolDefinitions } from '../../src/mcp/definitions.ts'
import { Resources, type ResourceProvider } from '../../src/mcp/resources.ts'
import { runtimeResource } from '../../src/mcp/runtime-resource.ts'
import { McpService } from '../../src/mcp/service.ts'
import { TOOLS } from '../../src/tools/index.ts'
import { roomyAdmission } from './admission.ts'
import { FakeProvider } from './fake-provider.ts'
import { type LogLine, recordingLogger } from './recording-logger.ts'
import { TEST_RUNTIME } from './runtime-info.ts'

export interface TestService {
  readonly service: McpService
  readonly provider: FakeProvider
  readonly lines: LogLine[]
  /** Users whose clients have connected. */
  readonly connected: readonly string[]
}

/** All tools over sandboxes in memory, and what was logged. */
export function testService(provider = new FakeProvider(), resources: readonly ResourceProvider[] = []): TestService {
  const { logger, lines } = recordingLogger()
  const connected: string[] = []
  const service = new McpService({
    provider,
    admission: roomyAdmission(),
    telemetry: noTelemetry,
    handoverOf: () => NO_HANDOVER,
    logger,
    tools: TOOLS,
    definitions: toolDefinitions(TOOLS, { sandbox: 'none', install: 'none' }),
    resources: new Resources([runtimeResource(() => Promise.resolve(TEST_RUNTIME)), ...resources]),
    instructions: () => Promise.resolve('Be careful.'),
    onClient: (user) => void connected.push(user),
    version: '1.2.3',
  })
  return { service, provider, lines, connected }
}
