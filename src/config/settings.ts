import { isIP } from 'node:net'
import { isAbsolute } from 'node:path'
import * as z from 'zod'
import { bytes, decimal, driverOptions, duration, integer, name, path } from './fields.ts'
import { containerName, users } from './users.ts'

/** Several values: a list in the config file, separated by commas elsewhere. */
const list = <T extends z.ZodType<string, string>>(item: T) =>
  z
    .union([z.array(z.string()), z.string()])
    .transform((given) => (typeof given === 'string' ? given.split(',') : given).map((each) => each.trim()))
    .transform((given) => given.filter((each) => each !== ''))
    .pipe(z.array(item))

/** A switch: `--name` on the command line; true or false in the config file and the environment. */
const truth = z
  .union([z.boolean(), z.enum(['true', 'false', '1', '0', ''])], 'give true or false')
  .transform((given) => given === true || given === 'true' || given === '1')

/** "host", "host:port", "host:port/path", as in an image reference. */
const registryHost = z
  .string()
  .regex(
    /^[a-zA-Z0-9.-]+(?::\d{1,5})?(?:\/[a-z0-9._-]+)*$/,
    'give the host of a registry, such as "mirror.example.com:5000"',
  )

const httpUrl = z
  .url({ protocol: /^https?$/, error: 'give an http or https URL' })
  .regex(/^\S+$/, 'give a URL without spaces')

/** A host without its port: what a Host header is compared with. */
const hostName = z
  .string()
  .regex(/^(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])$/, 'give a host name without a port, such as "sandbox.example.com"')
  .transform((given) => given.toLowerCase())

/** Scheme, host and port as a browser sends them (RFC 6454 section 6.2): in lower case, a port only where it is not the scheme's own. */
const origin = z
  .string()
  .refine(
    (given) => URL.canParse(given) && new URL(given).origin === given,
    'give an origin, such as "https://app.example.com", without a path or a final slash',
  )

/** An address, or a range of them in CIDR form. */
const addressRange = z.string().refine((given) => {
  const [address = '', bits, ...more] = given.split('/')
  const family = isIP(address)
  if (family === 0 || more.length > 0) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))
}, 'give an address such as "10.0.0.7", or a range such as "10.0.0.0/8"')

/** JWS algorithms (RFC 7518, RFC 8037) whose keys are pairs. */
const SIGNATURES = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const

const orEmpty = <T extends z.ZodType<string, string>>(schema: T) => z.union([z.literal(''), schema])

/** Definitions as objects in the config file, as JSON text elsewhere. Each is checked by the catalogue, which knows their schema. */
const definitions = z.union([z.array(z.unknown()), z.string()]).transform((given, context): readonly unknown[] => {
  if (typeof given !== 'string') return given
  if (given === '') return []
  try {
    const parsed: unknown = JSON.parse(given)
    if (Array.isArray(parsed)) return parsed
  } catch {
    // Told below, with the form that is wanted.
  }
  context.addIssue({ code: 'custom', message: 'give a JSON array of runtime definitions' })
  return z.NEVER
})

/** Runtimes by user: an object in the config file, "alice=polyglot,bob=node-minimal" elsewhere. */
const runtimesByUser = z
  .union([z.record(z.string(), z.string()), z.string()])
  .transform((given) => (typeof given === 'string' ? pairs(given) : Object.entries(given)))
  .pipe(z.array(z.tuple([z.string().min(1).max(256), name], 'write each as user=runtime')))
  .transform((entries): ReadonlyMap<string, string> => new Map(entries))

/** A number, or numbers by runtime: an object in the config file, "python-minimal=3,node-minimal=1" elsewhere. Nothing: as the transport needs it. */
const countsByRuntime = z
  .union([z.number(), z.string(), z.record(z.string(), z.union([z.number(), z.string()]))])
  .transform((given): unknown => {
    if (given === '') return undefined
    if (typeof given === 'number' || (typeof given === 'string' && /^\d+$/.test(given))) return Number(given)
    return (typeof given === 'string' ? pairs(given) : Object.entries(given)).map(([of, count]) => [of, Number(count)])
  })
  .pipe(
    z.union(
      [z.undefined(), z.number().int().min(0).max(1000), z.array(z.tuple([name, z.number().int().min(0).max(1000)]))],
      'give a number of at most 1000, or write each as runtime=number',
    ),
  )
  .transform((given): number | ReadonlyMap<string, number> | undefined =>
    Array.isArray(given) ? new Map(given) : given,
  )

/** The runtime is what follows the last "=": a user's name may hold one. */
function pairs(text: string): string[][] {
  const items = text.split(',').map((item) => item.trim())
  return items
    .filter((item) => item !== '')
    .map((item) => {
      const at = item.lastIndexOf('=')
      return at < 0 ? [item] : [item.slice(0, at).trim(), item.slice(at + 1).trim()]
    })
}

/** One setting: its schema, its default as text or number, and what `--help` says. */
export interface Setting {
  readonly schema: z.ZodType
  readonly fallback: unknown
  readonly about: string
  /** Passwords and tokens: `config` prints `***`. */
  readonly secret?: boolean
  /** A switch, whose flag takes no value. */
  readonly isSwitch?: boolean
}

/**
 * Every setting. The key gives its flag (`idleTimeout` → `--idle-timeout`), its variable (`SANDBOX_IDLE_TIMEOUT`) and its name in the
 * config file; nothing else in the program reads flags or the environment.
 */
export const SETTINGS = {
  transport: {
    schema: z.enum(['stdio', 'http']),
    fallback: 'stdio',
    about: 'How clients connect: one client over stdin and stdout, or many over HTTP.',
  },
  user: {
    schema: z.string().min(1).max(256),
    fallback: 'local',
    about: 'Whose sandbox this server serves over stdio. The same user reaches the same sandbox from every client.',
  },
  host: {
    schema: z.string().regex(/^[A-Za-z0-9.:-]+$/, 'give a host name or an address'),
    fallback: '127.0.0.1',
    about: 'Address that HTTP listens on. Everything but this machine’s loopback needs authentication.',
  },
  port: { schema: integer(0, 65_535), fallback: 8080, about: 'Port that HTTP listens on. 0 = any free one.' },
  auth: {
    schema: z.enum(['none', 'tokens', 'jwt', 'proxy']),
    fallback: 'none',
    about:
      'How HTTP finds out who a caller is: none (everybody is anonymous; loopback only), tokens (of the tokens file), jwt (of an ' +
      'authorization server), proxy (a header of a reverse proxy).',
  },
  insecure: {
    schema: truth,
    fallback: '',
    isSwitch: true,
    about: 'Allows --auth none on other addresses than loopback: whoever reaches the port gets sandboxes.',
  },
  allowedHosts: {
    schema: list(hostName),
    fallback: '',
    about:
      'Names that clients may use for this server in the Host header, beside loopback names, --host and the public URL.',
  },
  allowedOrigins: {
    schema: list(origin),
    fallback: '',
    about: 'Web origins whose pages may call this server (CORS), such as https://app.example.com.',
  },
  publicUrl: {
    schema: orEmpty(httpUrl),
    fallback: '',
    about: 'URL by which clients reach this server, when it is another one than it listens on: behind a reverse proxy.',
  },
  trustedProxies: {
    schema: list(addressRange),
    fallback: '',
    about:
      'Addresses of reverse proxies, such as 10.0.0.7 or 10.0.0.0/8: what they say about a client (its address; with --auth proxy ' +
      'its user) is believed.',
  },
  tokensFile: {
    schema: path,
    fallback: '~/.sandbox-mcp/tokens.json',
    about: 'File of --auth tokens, kept by `sandbox-mcp token`; followed while the server runs.',
  },
  jwtIssuer: {
    schema: list(z.string().regex(/^\S+$/, 'give an issuer without spaces')),
    fallback: '',
    about:
      'Issuers whose tokens --auth jwt takes, exactly as in the claim iss. With several the issuer is part of the user’s name.',
  },
  jwtAudience: {
    schema: list(z.string()),
    fallback: '',
    about: 'What the claim aud of a token has to name: this server, mostly by its URL. Any one of these.',
  },
  jwtJwks: {
    schema: list(path),
    fallback: '',
    about:
      'Public keys of each issuer, in the same order: the https URL of a JSON Web Key Set, or a file, which is followed.',
  },
  jwtUserClaim: {
    schema: z.string().min(1),
    fallback: 'sub',
    about: 'Claim that says who the user is. It must never be given to another person, as sub never is.',
  },
  jwtAlgorithms: {
    schema: list(z.enum(SIGNATURES)),
    fallback: 'RS256,PS256,ES256,EdDSA',
    about: 'Signatures that a token may have. Those with shared secrets, and none, are not on offer.',
  },
  jwtClockTolerance: {
    schema: duration(0),
    fallback: '30s',
    about: 'By how much the clocks of issuer and server may differ.',
  },
  proxyUserHeader: {
    schema: z.string().regex(/^[A-Za-z0-9-]+$/, 'give the name of a header'),
    fallback: 'X-Forwarded-User',
    about:
      'Header in which the proxy of --auth proxy names the user. The proxy has to remove it from what clients send.',
  },
  proxySecret: {
    schema: orEmpty(z.string().min(16, 'give at least 16 characters')),
    fallback: '',
    secret: true,
    about: 'Secret that the proxy sends in X-Sandbox-Proxy-Secret, beside or in place of its address.',
  },
  proxyAdmins: {
    schema: list(z.string()),
    fallback: '',
    about: 'Users of --auth proxy who have the scope sandbox:admin, too.',
  },
  tlsCert: {
    schema: orEmpty(path),
    fallback: '',
    about: 'File with the certificate chain (PEM) for https; followed, so that a renewed one is used at once.',
  },
  tlsKey: { schema: orEmpty(path), fallback: '', about: 'File with the private key (PEM) of the certificate.' },
  bodyLimit: {
    schema: bytes(64 * 1024),
    fallback: '8MiB',
    about: 'Largest message of an MCP client over HTTP: what one write_file can carry, as JSON.',
  },
  bodyTimeout: {
    schema: duration(100),
    fallback: '30s',
    about: 'Time for a whole message of an MCP client to arrive over HTTP, and longest pause within an upload.',
  },
  headersTimeout: {
    schema: duration(100),
    fallback: '15s',
    about: 'Time for the headers of an HTTP request to arrive.',
  },
  keepAliveTimeout: {
    schema: duration(100),
    fallback: '75s',
    about: 'How long an HTTP connection without a request stays open. Longer than that of a reverse proxy in front.',
  },
  maxConnections: {
    schema: integer(1, 1_000_000),
    fallback: 2000,
    about: 'HTTP connections that may be open at once.',
  },
  transferSize: {
    schema: bytes(1024 ** 2),
    fallback: '4GiB',
    about: 'Most bytes of one upload over HTTP, or of one file that goes to or comes from the host over stdio.',
  },
  ticketTtl: {
    schema: duration(1000),
    fallback: '15m',
    about: 'How long the one-time URLs of upload and download are good for, at most.',
  },
  hostDir: {
    schema: list(z.string().refine(isAbsolute, 'give absolute paths')),
    fallback: '',
    about:
      'Directories of this machine that upload may read files from over stdio (host_path), separated by commas; download writes into ' +
      'the first. Empty: none.',
  },
  runtime: { schema: name, fallback: 'python-minimal', about: 'Name of the runtime of new sandboxes.' },
  runtimes: {
    schema: runtimesByUser,
    fallback: '',
    about:
      'Runtimes of single users, in place of the default: user=runtime, separated by commas (an object in the config file). What a ' +
      'user chose with sandbox_manage comes first.',
  },
  mode: {
    schema: z.enum(['persistent', 'ephemeral']),
    fallback: 'persistent',
    about:
      'How sandboxes live, where neither the user’s settings nor the runtime’s definition say: persistent (a container that stays between ' +
      'calls) or ephemeral (a fresh one for every call, over the same files).',
  },
  workspace: {
    schema: orEmpty(path.refine(isAbsolute, 'give an absolute path')),
    fallback: '',
    about:
      'Directory of this machine that is the workspace of --user, in place of a volume (mode bind, for development); with --attach a ' +
      'directory inside that container.',
  },
  attach: {
    schema: orEmpty(containerName),
    fallback: '',
    about:
      'A container that runs already, which --user works in (mode attach). It is never stopped or removed; its protections are its own.',
  },
  httpBind: {
    schema: truth,
    fallback: '',
    isSwitch: true,
    about: 'Allows users over HTTP whose workspace is a directory of this machine (mode bind).',
  },
  users: {
    schema: users,
    fallback: '',
    about:
      'Settings of single users: an object in the config file (JSON text elsewhere), user → runtime, mode, directory, container, uid, ' +
      'memory, cpus, pids, workspaceSize, idleTimeout.',
  },
  installation: {
    schema: name,
    fallback: 'default',
    about: 'Separates the sandboxes of several installations on one engine.',
  },
  engine: {
    schema: z.string(),
    fallback: '',
    about:
      'Address of the container engine (unix://, tcp://, ssh://). Empty: DOCKER_HOST, the docker context, the usual sockets.',
  },
  freezeAfter: {
    schema: duration(0),
    fallback: '0',
    about:
      'Idle time after which a sandbox is frozen: its processes stand still, and the next call thaws them. 0 = never: that saves the CPU ' +
      'time of what users left running, and no memory.',
  },
  idleTimeout: {
    schema: duration(0),
    fallback: '30m',
    about: 'Idle time after which a sandbox is evicted: its container goes, its files stay. 0 = never.',
  },
  archiveAfter: {
    schema: duration(0),
    fallback: '0',
    about:
      'How long an evicted sandbox sleeps before its files are archived: backed up, verified, and removed from the engine. The next call ' +
      'brings them back. 0 = never.',
  },
  onExit: {
    schema: z.enum(['keep', 'evict']),
    fallback: 'keep',
    about: 'What happens to idle sandboxes when the server ends: keep them for the next one, or evict them.',
  },
  maxTimeout: { schema: duration(1000), fallback: '1h', about: 'Largest timeout_s that a command may ask for.' },
  maxRunning: {
    schema: integer(1, 100_000),
    fallback: 200,
    about:
      'Sandboxes of this server that may run at once, frozen ones included. For a further one the one that was idle longest is evicted; ' +
      'where none is idle the call waits for the queue timeout.',
  },
  maxSandboxes: {
    schema: integer(0, 1_000_000),
    fallback: 0,
    about:
      'Users of this installation who may have a sandbox at all, sleeping and archived ones included. 0 = any number.',
  },
  poolSize: {
    schema: countsByRuntime,
    fallback: '',
    about:
      'Sandboxes that run before their user is known, so that a new user waits for none: a number of the default runtime, or runtime=number, ' +
      'separated by commas (an object in the config file). They give way to users at maxRunning and when memory is short. Empty: 2 over HTTP, none over stdio.',
  },
  prewarm: {
    schema: z.enum(['never', 'returning', 'always']),
    fallback: 'returning',
    about:
      'Whose sandbox is made ready in the background when a client connects: nobody’s, of users who have a workspace already, or everybody’s. It costs the ' +
      'memory of a sandbox that may stay unused until the idle timeout, and never the place of one that is wanted.',
  },
  memoryFloor: {
    schema: bytes(0),
    fallback: '256MiB',
    about:
      'Memory of this machine that is to stay available: below it, idle sandboxes are evicted, longest idle first. 0 = not looked at. ' +
      'Linux only, with the engine on this machine.',
  },
  sessionIdle: {
    schema: duration(1000),
    fallback: '30m',
    about:
      'Idle time after which an MCP session over HTTP ends: no request, no open stream. The sandbox stays, unless the caller has no name.',
  },
  maxSessions: {
    schema: integer(1, 1_000_000),
    fallback: 1000,
    about: 'MCP sessions over HTTP that may be open at once.',
  },
  maxSessionsPerUser: {
    schema: integer(1, 1_000_000),
    fallback: 100,
    about: 'MCP sessions of one user. For a further one the one that was idle longest ends.',
  },
  maxCalls: {
    schema: integer(1, 100_000),
    fallback: 200,
    about:
      'Calls of all users that may run at once, those that only wait for a command included. Further ones wait, and users take turns.',
  },
  maxCallsPerUser: { schema: integer(1, 100_000), fallback: 32, about: 'Calls of one user that may run at once.' },
  queueTimeout: {
    schema: duration(0),
    fallback: '10s',
    about:
      'How long a call beyond these caps, or beyond maxRunning, waits for its place before it is refused with sandbox_limit.',
  },
  backupDir: {
    schema: orEmpty(path),
    fallback: '',
    about:
      'Directory of this machine where backups and snapshots are kept. Empty: sandbox-mcp/backups in the data directory of who runs the ' +
      'server (XDG_DATA_HOME, else ~/.local/share).',
  },
  backupS3: {
    schema: orEmpty(httpUrl),
    fallback: '',
    about:
      'Bucket of an S3-compatible service that backups are kept in, in place of the directory: https://s3.example.com/bucket. Needs the ' +
      'optional package s3mini.',
  },
  backupS3Region: { schema: z.string().min(1), fallback: 'auto', about: 'Region of the bucket.' },
  backupS3Prefix: {
    schema: z.string().regex(/^(?:[A-Za-z0-9._-]+\/)*$/, 'give a prefix that ends with "/", such as "backups/"'),
    fallback: '',
    about: 'What the names of all objects in the bucket begin with.',
  },
  backupS3KeyId: { schema: z.string(), fallback: '', about: 'Id of the key for the bucket.' },
  backupS3Secret: { schema: z.string(), fallback: '', secret: true, about: 'The key for the bucket.' },
  backupSize: {
    schema: bytes(1024 ** 2),
    fallback: '16GiB',
    about: 'Largest workspace that is backed up, restored or imported: all files, holes included.',
  },
  backupHold: {
    schema: duration(1000),
    fallback: '60s',
    about:
      'Longest time for which a running sandbox is held still while its files are copied. A larger workspace is copied when it sleeps.',
  },
  backupKeep: { schema: integer(1, 10_000), fallback: 7, about: 'Backups of one user that are kept. Older ones go.' },
  backupMaxAge: {
    schema: duration(0),
    fallback: 0,
    about: 'Age after which backups go, whatever their number; the newest stays. 0 = never.',
  },
  snapshotKeep: {
    schema: integer(0, 1000),
    fallback: 3,
    about: 'Snapshots that a user may have (sandbox_manage). The oldest gives way; 0 = no snapshots.',
  },
  snapshotSize: {
    schema: bytes(0),
    fallback: '2GiB',
    about: 'Size of all snapshots of a user together, compressed. The oldest give way.',
  },
  tools: {
    schema: z.enum(['core', 'code', 'all']),
    fallback: 'all',
    about:
      'Tools that models are given: core (commands, processes, files), code (and edit, search, run, check), or all.',
  },
  network: {
    schema: z.enum(['none', 'bridge']),
    fallback: 'none',
    about: 'Network of the sandboxes. bridge gives them the whole network of the engine, also the host’s own services.',
  },
  installNetwork: {
    schema: z.enum(['none', 'bridge', 'host']),
    fallback: 'none',
    about:
      'Network for install_packages alone: that of the engine’s containers, the host’s own, or none. A container that holds nothing of ' +
      'a user downloads from the configured indexes; the sandboxes themselves gain no network.',
  },
  installSize: {
    schema: bytes(1024 ** 2),
    fallback: '512MiB',
    about: 'Most that one call of install_packages may download; it is held in memory meanwhile.',
  },
  memory: { schema: bytes(16 * 1024 ** 2), fallback: '512MiB', about: 'Memory of one sandbox, swap included.' },
  cpus: { schema: decimal(z.number().min(0.1).max(1024)), fallback: 1, about: 'CPUs’ worth of time of one sandbox.' },
  pids: { schema: integer(64, 32_768), fallback: 256, about: 'Processes and threads of one sandbox.' },
  tmpSize: { schema: bytes(1024 ** 2), fallback: '64MiB', about: 'Size of /tmp; counts as memory.' },
  fileSize: { schema: bytes(1024 ** 2), fallback: '1GiB', about: 'Largest single file.' },
  workspaceSize: {
    schema: bytes(0),
    fallback: '10GiB',
    about:
      'Most that the workspace of one sandbox may hold. 0 = as much as the disk has. Held by the kernel with volumeOptions, else watched.',
  },
  workspaceFiles: {
    schema: integer(0, 5_000_000),
    fallback: 1_000_000,
    about: 'Most files and directories of one workspace. 0 = as many as the disk takes.',
  },
  volumeOptions: {
    schema: driverOptions,
    fallback: '',
    about:
      'Options of the engine’s volume driver for new workspaces, which let the kernel hold their size: key=value, separated by spaces (an ' +
      'object in the config file), with {size}, {files}, {uid} and {name} filled in.',
  },
  diskFloor: {
    schema: bytes(0),
    fallback: '1GiB',
    about: 'Space on the engine’s disk that is kept free: below it users’ writes are refused. 0 = none.',
  },
  openFiles: { schema: integer(64, 1_048_576), fallback: 1024, about: 'Open files per process.' },
  ociRuntime: {
    schema: z.string().regex(/^[A-Za-z0-9._-]*$/, 'use the name of a runtime of the engine'),
    fallback: '',
    about: 'Another OCI runtime of the engine, for instance runsc (gVisor). Empty: the engine’s default.',
  },
  runtimesDir: {
    schema: z.string(),
    fallback: '',
    about: 'Folder with runtimes of your own, laid out as the built-in one; a name that is there already is replaced.',
  },
  customRuntimes: {
    schema: definitions,
    fallback: '',
    about:
      'Runtimes of your own, each of the form of a runtime.json: an array in the config file. They come after those of folders.',
  },
  imageMirrors: {
    schema: list(registryHost),
    fallback: '',
    about: 'Registries that mirror docker.io, asked for base images in this order before docker.io itself.',
  },
  buildNetwork: {
    schema: z.enum(['default', 'host', 'none']),
    fallback: 'default',
    about: 'Network of the steps of a build: that of the engine’s containers, the host’s own, or none.',
  },
  buildCa: {
    schema: z.string(),
    fallback: '',
    about:
      'File of certificates (PEM) that builds and downloads of packages trust in place of the public ones. Not kept in images.',
  },
  pipIndex: {
    schema: list(httpUrl),
    fallback: '',
    about:
      'Python indexes that builds and install_packages use; the first is in place of pypi.org. May hold user:password; not kept in images.',
  },
  pipTrustedHost: {
    schema: list(z.string().regex(/^[A-Za-z0-9.:[\]-]+$/, 'give a host or host:port')),
    fallback: '',
    about: 'Hosts of Python indexes that may be used without TLS.',
  },
  npmRegistry: {
    schema: orEmpty(httpUrl),
    fallback: '',
    about: 'npm registry that builds and install_packages use. May hold user:password; not kept in images.',
  },
  cargoIndex: {
    schema: orEmpty(httpUrl),
    fallback: '',
    about:
      'Sparse registry of crates that builds and install_packages use in place of crates.io. May hold user:password, or a token in place of the user; not kept in images.',
  },
  aptMirror: {
    schema: orEmpty(httpUrl),
    fallback: '',
    about:
      'Debian mirror that builds and install_packages use, with debian/ and debian-security/ below it. May hold user:password; not kept in images.',
  },
  logLevel: {
    schema: z.enum(['debug', 'info', 'warn', 'error', 'silent']),
    fallback: 'info',
    about: 'Least level of log lines on stderr.',
  },
} as const satisfies Record<string, Setting>

export type SettingKey = keyof typeof SETTINGS
/** Validated settings: sizes in bytes, durations in milliseconds. */
export type Config = { readonly [K in SettingKey]: z.output<(typeof SETTINGS)[K]['schema']> }

export const SETTING_KEYS = Object.keys(SETTINGS) as SettingKey[]

/** `idleTimeout` → `idle-timeout`. */
export function flagOf(key: SettingKey): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

/** `idleTimeout` → `SANDBOX_IDLE_TIMEOUT`. */
export function variableOf(key: SettingKey): string {
  return `SANDBOX_${flagOf(key).replaceAll('-', '_').toUpperCase()}`
}
