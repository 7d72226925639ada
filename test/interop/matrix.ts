/** The last revision of the protocol with a handshake, and the first without one. */
export const LEGACY = '2025-11-25'
export const MODERN = '2026-07-28'

export const TRANSPORTS = ['stdio', 'http', 'sse'] as const
export type TransportName = (typeof TRANSPORTS)[number]

/**
 * One way in which a client is tried: the transport; how the client is told to find the revision or to make its sessions, in its own words;
 * the revision that comes of it.
 */
export type Leg<Mode extends string = string> = readonly [
  transport: TransportName,
  mode: Mode,
  revision: typeof LEGACY | typeof MODERN,
]

/** The revision that comes of a mode over each transport; a transport that is missing is not there for the mode. */
type Row = Readonly<Partial<Record<TransportName, typeof LEGACY | typeof MODERN>>>

const HANDSHAKE: Row = { stdio: LEGACY, http: LEGACY, sse: LEGACY }
/** The older HTTP+SSE is of the older revisions alone, and clients that ask first find that out. */
const ASKED: Row = { stdio: MODERN, http: MODERN, sse: LEGACY }
const TOLD: Row = { stdio: MODERN, http: MODERN }

/** Every client that the tests here run, and on which legs: the tests take their legs from this table, and the README shows it. */
export const CLIENTS = {
  sdkV2: {
    name: 'MCP SDK for TypeScript, second generation',
    test: 'sdk-v2.test.ts',
    modes: { default: HANDSHAKE, auto: ASKED, [MODERN]: TOLD },
  },
  inspector: {
    name: 'MCP Inspector (CLI)',
    test: 'inspector.test.ts',
    modes: { legacy: HANDSHAKE, auto: ASKED, modern: TOLD },
  },
  mcpdo: {
    name: 'MCP Inspector (mcpdo)',
    test: 'inspector.test.ts',
    modes: { 'one session': { http: LEGACY, sse: LEGACY } },
  },
  langChain: {
    name: 'LangChain for JavaScript',
    test: 'langchain.test.ts',
    modes: { 'one session': HANDSHAKE, 'a session for each call': { http: LEGACY, sse: LEGACY } },
  },
  pythonSdk: {
    name: 'MCP SDK for Python',
    test: 'python.test.ts',
    modes: { legacy: HANDSHAKE, auto: ASKED, [MODERN]: TOLD, 'a session for each call': HANDSHAKE },
  },
  fastMcp: {
    name: 'FastMCP (Python)',
    test: 'python.test.ts',
    modes: { legacy: HANDSHAKE, auto: ASKED, [MODERN]: TOLD },
  },
} as const satisfies Record<string, { name: string; test: string; modes: Record<string, Row> }>

type ModeOf<Key extends keyof typeof CLIENTS> = keyof (typeof CLIENTS)[Key]['modes'] & string

/** The legs of a client, one test each. */
export function legsOf<Key extends keyof typeof CLIENTS>(client: Key): Leg<ModeOf<Key>>[] {
  const rows = Object.entries(CLIENTS[client].modes) as [ModeOf<Key>, Row][]
  return rows.flatMap(([mode, row]) =>
    TRANSPORTS.flatMap((transport) => {
      const revision = row[transport]
      return revision === undefined ? [] : [[transport, mode, revision] as const]
    }),
  )
}

/** The transports over which a client is tried in one mode. */
export function transportsOf<Key extends keyof typeof CLIENTS>(client: Key, mode: ModeOf<Key>): TransportName[] {
  return legsOf(client).flatMap(([transport, each]) => (each === mode ? [transport] : []))
}

/** The table in Markdown. */
export function clientTable(): string {
  const rows = Object.values(CLIENTS).flatMap(({ name, modes, test }) =>
    Object.entries(modes as Readonly<Record<string, Row>>).map(([mode, row]) => {
      const cells = TRANSPORTS.map((transport) => row[transport] ?? '–')
      return `| ${[name, mode, ...cells, `[${test}](${test})`].join(' | ')} |`
    }),
  )
  return ['| client | mode | stdio | HTTP | SSE | test |', '|---|---|---|---|---|---|', ...rows].join('\n')
}
