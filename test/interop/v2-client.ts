import {
  Client,
  type ClientOptions,
  SSEClientTransport,
  StreamableHTTPClientTransport,
} from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import type { Person } from './deployment.ts'
import { MODERN, type TransportName } from './matrix.ts'

/** How the client finds the revision: by `initialize`, by asking first, or it is told. */
const MODES = {
  default: {},
  auto: { versionNegotiation: { mode: 'auto' } },
  [MODERN]: { versionNegotiation: { mode: { pin: MODERN } } },
} satisfies Record<string, ClientOptions>
export type Mode = keyof typeof MODES

const transportOf = {
  stdio: ({ stdio }: Person) => new StdioClientTransport({ ...stdio, stderr: 'ignore' }),
  http: ({ http: { url, headers } }: Person) =>
    new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }),
  sse: ({ sse: { url, headers } }: Person) =>
    new SSEClientTransport(new URL(url), {
      requestInit: { headers },
      eventSourceInit: {
        fetch: (target, init) => fetch(target, { ...init, headers: { ...init.headers, ...headers } }),
      },
    }),
}

/** A client of the SDK's second generation that is connected as `person`. Disposing closes it. */
export async function connectV2(
  person: Person,
  transport: TransportName,
  mode: Mode,
): Promise<Client & AsyncDisposable> {
  const client = new Client({ name: 'v2', version: '1.0.0' }, MODES[mode])
  await client.connect(transportOf[transport](person))
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.close() })
}
