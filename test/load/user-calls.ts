import { createHash } from 'node:crypto'
import { gunzipSync, gzipSync } from 'node:zlib'
import { extract } from 'tar-stream'
import { parseDigests, sha256, type ContentModel } from './content-model.ts'
import { CallFailed, type PatientClient } from './patient-client.ts'
import { tar } from '../helpers/tar.ts'

/** One user at work. */
export interface SoakUser {
  readonly client: PatientClient
  readonly model: ContentModel
  /** The same numbers in every run of the same seed. */
  readonly random: () => number
  /** Counts what the user has done, so that no two contents are alike. */
  turn: number
}

/** One call, checked against the model and noted in it. */
type UserCall = (user: SoakUser) => Promise<void>

/** The workspace stays small: so many text files, binary files and extracted archives. */
const TEXT_FILES = 12
const BINARY_FILES = 6
const ARCHIVES = 3
const LOG = 'log.txt'
/** Files of processes that may still run; looked at when all is over. */
const BACKGROUND = 'background/'

const below = (user: SoakUser, end: number) => Math.floor(user.random() * end)

/** Any one of the files below the directory whose content is settled. */
function pick(user: SoakUser, directory: string): string | undefined {
  const paths = user.model.paths(directory).filter((path) => !path.startsWith(BACKGROUND))
  return paths[below(user, paths.length)]
}

/** Lines with the user's mark, of no other content before or after. */
function text(user: SoakUser): string {
  const turn = ++user.turn
  const lines = 1 + below(user, 40)
  return Array.from({ length: lines }, (_, at) => `${user.client.mark} turn ${turn} line ${at}\n`).join('')
}

function bytes(user: SoakUser): Buffer {
  const seed = `${user.client.mark} ${++user.turn}`
  const blocks = 1 + below(user, 512)
  return Buffer.concat(Array.from({ length: blocks }, (_, at) => createHash('sha256').update(`${seed} ${at}`).digest()))
}

function assertEqual(what: string, actual: unknown, wanted: unknown): void {
  const [found, expected] = [JSON.stringify(actual), JSON.stringify(wanted)]
  if (found !== expected)
    throw new CallFailed(`${what}: ${found?.slice(0, 300)} in place of ${expected?.slice(0, 300)}`)
}

/** A change of one path: when it fails, nobody knows what is there. */
async function change(user: SoakUser, path: string, make: () => Promise<void>): Promise<void> {
  try {
    await make()
  } catch (error) {
    user.model.giveUp(path)
    throw error
  }
}

async function exec(user: SoakUser, kind: string, command: string, more: Record<string, unknown> = {}) {
  const result = await user.client.call(kind, 'shell_exec', { command, ...more })
  const outcome = result.structuredContent ?? {}
  if (outcome['status'] !== 'exited' || outcome['exit_code'] !== 0) {
    throw new CallFailed(`${command}: ${JSON.stringify(outcome)}`)
  }
  return outcome['stdout'] as string
}

const echo: UserCall = async (user) => {
  const said = `${user.client.mark} ${++user.turn}`
  assertEqual('echo', await exec(user, 'exec', `echo "$SAID"`, { env: { SAID: said } }), `${said}\n`)
}

const cat: UserCall = async (user) => {
  const said = text(user)
  assertEqual('cat', await exec(user, 'exec', 'cat', { stdin: said }), said)
}

const digest: UserCall = async (user) => {
  const path = pick(user, '')
  if (path === undefined) return echo(user)
  const found = parseDigests(await exec(user, 'exec', `sha256sum ${path}`))
  assertEqual(path, found.get(path), sha256(user.model.get(path) ?? Buffer.alloc(0)))
}

const appendByShell: UserCall = (user) =>
  change(user, LOG, async () => {
    const line = `${user.client.mark} by shell ${++user.turn}`
    await exec(user, 'exec', `echo "$LINE" >> ${LOG}`, { env: { LINE: line } })
    user.model.append(LOG, `${line}\n`)
  })

const exitCode: UserCall = async (user) => {
  const wanted = 1 + below(user, 99)
  const result = await user.client.call('exec', 'shell_exec', { command: `echo ${user.client.mark}; exit ${wanted}` })
  assertEqual('exit code', result.structuredContent?.['exit_code'], wanted)
}

/** Its file is there when the process has ended: work in flight is never put to sleep. */
const background: UserCall = async (user) => {
  const content = `${user.client.mark} background ${++user.turn}`
  const path = `${BACKGROUND}${user.turn}`
  const seconds = (0.5 + user.random() * 2.5).toFixed(1)
  await change(user, path, async () => {
    const command = `mkdir -p ${BACKGROUND}; sleep ${seconds}; printf %s "$CONTENT" > ${path}`
    const result = await user.client.call('background', 'shell_exec', { command, env: { CONTENT: content }, wait_s: 0 })
    assertEqual('background process', result.structuredContent?.['status'], 'running')
    user.model.put(path, content)
  })
}

const readText: UserCall = async (user) => {
  const path = pick(user, 'text/')
  if (path === undefined) return writeText(user)
  const result = await user.client.call('read', 'read_file', { path })
  const [block] = result.content
  if (block?.type !== 'text') throw new CallFailed(`${path}: no text`)
  const lines = [...block.text.matchAll(/^ *\d+\t(.*)$/gm)].map(([, line]) => `${line}\n`)
  assertEqual(path, lines.join(''), user.model.get(path)?.toString())
}

const readBytes: UserCall = async (user) => {
  const path = pick(user, 'binary/')
  if (path === undefined) return upload(user)
  const result = await user.client.call('read', 'read_file', { path, as: 'base64' })
  const [block] = result.content
  if (block?.type !== 'text') throw new CallFailed(`${path}: no text`)
  assertEqual(path, block.text.split('\n').at(-1), user.model.get(path)?.toString('base64'))
}

const writeText: UserCall = async (user) => {
  const path = `text/${below(user, TEXT_FILES)}.txt`
  const content = text(user)
  await change(user, path, async () => {
    await user.client.call('write', 'write_file', { path, content })
    user.model.put(path, content)
  })
}

const appendByTool: UserCall = (user) =>
  change(user, LOG, async () => {
    const content = `${user.client.mark} by tool ${++user.turn}\n`
    await user.client.call('write', 'write_file', { path: LOG, content, mode: 'append' })
    user.model.append(LOG, content)
  })

const edit: UserCall = async (user) => {
  const path = pick(user, 'text/')
  const before = path === undefined ? undefined : user.model.get(path)?.toString()
  if (path === undefined || before === undefined) return writeText(user)
  // The first line is unlike all others, of this file and of every turn before.
  const [first = ''] = before.split('\n')
  const replaced = `${user.client.mark} edited ${++user.turn}`
  await change(user, path, async () => {
    await user.client.call('write', 'edit_file', { path, edits: [{ old: `${first}\n`, new: `${replaced}\n` }] })
    user.model.put(path, `${replaced}\n${before.slice(first.length + 1)}`)
  })
}

const list: UserCall = async (user) => {
  const wanted = user.model.paths('text/').map((path) => path.slice('text/'.length))
  if (wanted.length === 0) return writeText(user)
  const result = await user.client.call('list', 'list_files', { path: 'text' })
  const entries = result.structuredContent?.['entries'] as readonly { readonly path: string }[]
  const found = entries.map(({ path }) => path).filter((path) => !user.model.isUnknown(`text/${path}`))
  assertEqual('list of text/', found.toSorted(), wanted)
}

const upload: UserCall = async (user) => {
  const path = `binary/${below(user, BINARY_FILES)}.bin`
  const content = bytes(user)
  await change(user, path, async () => {
    await user.client.call('transfer', 'upload', {
      path,
      content: content.toString('base64'),
      encoding: 'base64',
      sha256: sha256(content),
    })
    user.model.put(path, content)
  })
}

const unpack: UserCall = async (user) => {
  const directory = `archive/${below(user, ARCHIVES)}`
  const files = ['one', 'two', 'deep/three'].map((name) => ({ name, content: Buffer.from(text(user)) }))
  const content = gzipSync(await tar(files)).toString('base64')
  const paths = files.map(({ name }) => `${directory}/${name}`)
  try {
    await user.client.call('transfer', 'upload', { path: directory, content, encoding: 'base64', extract: 'tar.gz' })
    for (const [at, path] of paths.entries()) user.model.put(path, files[at]?.content ?? '')
  } catch (error) {
    for (const path of paths) user.model.giveUp(path)
    throw error
  }
}

const downloadFile: UserCall = async (user) => {
  const path = pick(user, 'binary/')
  if (path === undefined) return upload(user)
  assertEqual(path, sha256(await fetchTicket(user, path)), sha256(user.model.get(path) ?? Buffer.alloc(0)))
}

const downloadDirectory: UserCall = async (user) => {
  const directory = `archive/${below(user, ARCHIVES)}`
  const wanted = user.model.paths(`${directory}/`)
  if (wanted.length === 0) return unpack(user)
  const found = await filesOf(gunzipSync(await fetchTicket(user, directory)))
  for (const path of wanted) {
    const name = [...found.keys()].find((each) => path.endsWith(each.replace(/^\.?\/*/, '')))
    assertEqual(path, name && found.get(name)?.toString(), user.model.get(path)?.toString())
  }
}

/** Asks for a one-time URL, and fetches what is behind it. */
async function fetchTicket(user: SoakUser, path: string): Promise<Buffer> {
  const result = await user.client.call('transfer', 'download', { path })
  const url = result.structuredContent?.['get_url'] as string
  for (;;) {
    const answer = await fetch(url)
    const body = Buffer.from(await answer.arrayBuffer())
    if (answer.ok) return body
    await user.client.refusedByHttp(`download of ${path}`, answer, body.toString())
  }
}

async function filesOf(archive: Buffer): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>()
  const entries = extract()
  entries.end(archive)
  for await (const entry of entries) {
    const pieces: Buffer[] = []
    for await (const piece of entry as AsyncIterable<Buffer>) pieces.push(piece)
    if (entry.header.type === 'file') files.set(entry.header.name, Buffer.concat(pieces))
  }
  return files
}

/** The mix, in parts of a hundred: short commands 60, reads 15, writes 15, listings 5, transfers 5; some of the commands in the background. */
const MIX: readonly (readonly [weight: number, call: UserCall])[] = [
  [16, echo],
  [12, cat],
  [14, digest],
  [9, appendByShell],
  [6, exitCode],
  [3, background],
  [11, readText],
  [4, readBytes],
  [8, writeText],
  [4, appendByTool],
  [3, edit],
  [5, list],
  [2, upload],
  [1, unpack],
  [1, downloadFile],
  [1, downloadDirectory],
]

/** One call of the mix, by the user's own random numbers. */
export function nextCall(user: SoakUser): UserCall {
  let left = below(user, 100)
  for (const [weight, call] of MIX) {
    if (left < weight) return call
    left -= weight
  }
  throw new Error('the parts make a hundred')
}

/**
 * Everything that the user has to have, byte for byte and nothing else, once what they left running has ended. Gives the differences in
 * words.
 */
export async function checkAll(user: SoakUser): Promise<string[]> {
  const processes = await user.client.call('final check', 'process_read', {})
  const running = (processes.structuredContent?.['processes'] ?? []) as readonly {
    process_id: string
    status: string
  }[]
  for (const { process_id, status } of running) {
    if (status === 'running') await user.client.call('final check', 'process_read', { process_id, wait_s: 20 })
  }
  const command = `find . -type f ! -path './.*/*' -print0 | xargs -0 -r sha256sum`
  const result = await user.client.call('final check', 'shell_exec', { command, max_output_bytes: 65_536 })
  const found = parseDigests(result.structuredContent?.['stdout'] as string)
  return user.model.differences(found).map(({ path, how }) => `${user.client.mark}: ${path} is ${how}`)
}
