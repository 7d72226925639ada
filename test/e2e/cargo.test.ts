import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fetchLabels } from '../../src/registry/identity.ts'
import { useBuildNetwork } from '../helpers/build-network.ts'
import { type Crate, type CrateRegistry, startCrateRegistry } from '../helpers/crate-registry.ts'
import { findIn } from '../helpers/find-in.ts'
import { useInstallation } from '../helpers/installation.ts'
import { useOwnRuntimes } from '../helpers/own-runtimes.ts'
import { rawDocker } from '../helpers/raw-docker.ts'
import { type Ran, run } from '../helpers/run-cli.ts'

const installation = useInstallation()
const runtimes = useOwnRuntimes(installation)
const network = useBuildNetwork()
/** Rust is downloaded from the public mirrors, on a busy machine. */
const BUILD_MS = 600_000
/** Every address but loopback's, and every route: nothing, in a sandbox without a network. */
const ROUTES = 'tail -n +2 /proc/net/route; tail -n +3 /proc/net/dev | grep -v "^ *lo:"; true'

const SECRET = `s3cret${randomBytes(6).toString('hex')}`
const LOGIN = `me:${SECRET}`
const CRATES: readonly Crate[] = [
  { name: 'greeting-words', version: '1.1.0', files: { 'src/lib.rs': 'pub fn word() -> &\'static str { "hi" }\n' } },
  { name: 'greeting-words', version: '1.2.0', files: { 'src/lib.rs': 'pub fn word() -> &\'static str { "hello" }\n' } },
  ...['greet', 'greet-again'].map((name) => ({
    name,
    version: '0.3.1',
    dependencies: { 'greeting-words': '^1.1' },
    files: { 'src/main.rs': `fn main() { println!("{} from ${name}", greeting_words::word()); }\n` },
  })),
]

describe('crates from a private registry', { timeout: BUILD_MS }, () => {
  const runtime = runtimes.define({
    packages: [
      // Debian 12's own cargo is from before sparse registries.
      { package_manager: 'apt', packages: ['cargo-web', 'gcc', 'libc6-dev'] },
      { package_manager: 'cargo', packages: ['greet'] },
    ],
    check: ['greet'],
  })
  let built: Ran
  let registry: CrateRegistry

  beforeAll(async () => {
    registry = await startCrateRegistry(CRATES, LOGIN)
    built = await run(['build', runtime], settings())
  }, BUILD_MS)
  afterAll(() => registry[Symbol.asyncDispose]())

  function settings(): Record<string, string> {
    const { packageSources: { certificatesFile } = {} } = network()
    return {
      SANDBOX_RUNTIME: runtime,
      SANDBOX_RUNTIMES_DIR: runtimes.directory,
      SANDBOX_BUILD_NETWORK: 'host',
      SANDBOX_INSTALL_NETWORK: 'host',
      SANDBOX_CARGO_INDEX: registry.url,
      ...(certificatesFile === undefined ? {} : { SANDBOX_BUILD_CA: certificatesFile }),
    }
  }

  test('are in the image of a runtime that asks for them, and the login to the registry is not', async () => {
    expect(built).toMatchObject({ code: 0 })
    await using server = await installation.start({ user: installation.newUser(), env: settings() })
    await server.output('true')
    expect(await server.output('greet')).toBe('hello from greet')
    expect(registry.asked).toContain('/dl/greeting-words/1.2.0/download')

    const [image] = await installation.engine.images.list({ 'sandbox-mcp.runtime': runtime })
    expect(JSON.parse(image?.labels['sandbox-mcp.contents'] ?? '')).toMatchObject({
      packages: { cargo: { greet: '0.3.1' } },
    })
    const stored = rawDocker(installation.address).getImage(image?.id ?? '')
    const marks = [SECRET, Buffer.from(LOGIN).toString('base64')]
    const described = JSON.stringify([await stored.history(), await stored.inspect()])
    for (const mark of marks) expect(described).not.toContain(mark)
    // The program's own text proves that the search finds what is there.
    const found = await findIn(
      await stored.get(),
      [...marks, 'from greet'].map((text) => Buffer.from(text)),
    )
    expect(found).toEqual(['from greet'])
  })

  test('are installed by install_packages, which gives the sandbox neither a route nor the login', async () => {
    await using server = await installation.start({ user: installation.newUser(), env: settings() })
    await server.output('true')
    const watch = await server.exec(`while sleep 0.1; do ${ROUTES}; done`, { wait_s: 0 })
    const answer = await server.call('install_packages', { packages: ['greet-again@0.3'], manager: 'cargo' })
    expect(answer.text).toBe('greet-again 0.3.1')
    expect(await server.output('greet-again')).toBe('hello from greet-again')
    const seen = await server.call('process_read', { process_id: watch.process_id })
    expect(seen.structured).toMatchObject({ status: 'running', stdout: '', stderr: '' })
    expect(
      (await server.exec(`grep -rlE '${SECRET}|${Buffer.from(LOGIN).toString('base64')}' /workspace /tmp`)).stdout,
    ).toBe('')
    expect(await server.output('ls .cache/sandbox-mcp; cat .local/install.log | grep -c 127.0.0.1; true')).toBe('0')
    expect(await installation.engine.containers.list(fetchLabels(installation.name))).toEqual([])
  })

  test('that the registry does not have are named, and so is a registry that refuses', async () => {
    await using server = await installation.start({ user: installation.newUser(), env: settings() })
    await server.output('true')
    expect(await server.refusal('install_packages', { packages: ['no-such-crate'], manager: 'cargo' })).toMatch(
      /^package_not_found: The cargo index does not have no-such-crate/,
    )
    expect(await server.refusal('install_packages', { packages: ['greet@9'], manager: 'cargo' })).toMatch(
      /^package_not_found: /,
    )
    const refusing = { ...settings(), SANDBOX_CARGO_INDEX: registry.url.replace(SECRET, 'wrong') }
    await using other = await installation.start({ user: installation.newUser(), env: refusing })
    await other.output('true')
    const refused = await other.refusal('install_packages', { packages: ['greet'], manager: 'cargo' })
    expect(refused).toMatch(/^index_unreachable: The cargo index does not let this server in\./)
    expect(refused).not.toContain('127.0.0.1')
  })
})
