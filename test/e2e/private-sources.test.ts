import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { useBuildNetwork } from '../helpers/build-network.ts'
import { findIn } from '../helpers/find-in.ts'
import { useInstallation } from '../helpers/installation.ts'
import { type LoginProxy, startLoginProxy } from '../helpers/login-proxy.ts'
import { useOwnRuntimes } from '../helpers/own-runtimes.ts'
import { rawDocker } from '../helpers/raw-docker.ts'
import { type Ran, run } from '../helpers/run-cli.ts'

const installation = useInstallation()
const runtimes = useOwnRuntimes(installation)
const network = useBuildNetwork()
const BUILD_MS = 600_000
const PASSWORDS = { apt: randomBytes(9).toString('hex'), npm: randomBytes(9).toString('hex') }
const SECRETS = [
  PASSWORDS.apt,
  PASSWORDS.npm,
  ...Object.values(PASSWORDS).map((password) => Buffer.from(`me:${password}`).toString('base64')),
]

describe('a Debian mirror and an npm registry that ask for a password', { timeout: BUILD_MS }, () => {
  const runtime = runtimes.define({
    packages: [
      { package_manager: 'apt', packages: ['tree'] },
      { package_manager: 'node', packages: ['node@24.21.0', 'npm@11.21.2'] },
      { package_manager: 'npm', packages: ['is-odd@3.0.1'] },
    ],
    check: ['tree', '--version'],
  })
  let built: Ran
  let mirror: LoginProxy
  let registry: LoginProxy

  beforeAll(async () => {
    const { packageSources: { certificatesFile } = {} } = network()
    const ca = certificatesFile === undefined ? undefined : readFileSync(certificatesFile, 'utf8')
    mirror = await startLoginProxy({ upstream: 'http://deb.debian.org', login: `me:${PASSWORDS.apt}` })
    registry = await startLoginProxy({ upstream: 'https://registry.npmjs.org', login: `me:${PASSWORDS.npm}`, ca })
    built = await run(['build', runtime], settings())
  }, BUILD_MS)
  afterAll(async () => {
    await mirror[Symbol.asyncDispose]()
    await registry[Symbol.asyncDispose]()
  })

  const settings = (): Record<string, string> => ({
    SANDBOX_RUNTIME: runtime,
    SANDBOX_RUNTIMES_DIR: runtimes.directory,
    SANDBOX_BUILD_NETWORK: 'host',
    SANDBOX_INSTALL_NETWORK: 'host',
    SANDBOX_APT_MIRROR: mirror.url,
    SANDBOX_NPM_REGISTRY: registry.url,
  })

  test('are where a build gets its packages, and leave no password in the image', async () => {
    expect(built).toMatchObject({ code: 0 })
    expect(mirror.given).toContainEqual(expect.stringMatching(/^\/debian\/pool\/main\/t\/tree\/tree_/))
    // The archive itself may come from the cache of builds, where it is known by its hash.
    expect(registry.given).toContain('/is-odd')
    expect(registry.given).toContainEqual(expect.stringMatching(/^\/node-linux-\w+\/-\/.*\.tgz$/))

    const [image] = await installation.engine.images.list({ 'sandbox-mcp.runtime': runtime })
    expect(JSON.parse(image?.labels['sandbox-mcp.contents'] ?? '')).toMatchObject({
      packages: { apt: { tree: expect.any(String) }, npm: { 'is-odd': '3.0.1' } },
    })
    const stored = rawDocker(installation.address).getImage(image?.id ?? '')
    const described = JSON.stringify([await stored.history(), await stored.inspect()])
    for (const secret of SECRETS) expect(described).not.toContain(secret)
    // A line of the installed package proves that the search finds what is there.
    const known = 'is-odd <https://github.com/jonschlinkert/is-odd>'
    const found = await findIn(
      await stored.get(),
      [...SECRETS, known].map((text) => Buffer.from(text)),
    )
    expect(found).toEqual([known])
  })

  test('are where install_packages gets them, and leave no password in the sandbox', async () => {
    await using server = await installation.start({ user: installation.newUser(), env: settings() })
    await server.output('true')
    const [beforeApt, beforeNpm] = [mirror.given.length, registry.given.length]
    expect((await server.call('install_packages', { packages: ['hello'], manager: 'apt' })).text).toMatch(/^hello 2/)
    expect((await server.call('install_packages', { packages: ['ms@2.1.3'], manager: 'npm' })).text).toBe('ms 2.1.3')
    expect(await server.output(`hello; node -p "require('ms')('1m')"`)).toBe('Hello, world!\n60000')
    expect(mirror.given.length).toBeGreaterThan(beforeApt)
    expect(registry.given.length).toBeGreaterThan(beforeNpm)
    expect((await server.exec(`grep -rlE '${SECRETS.join('|')}' /workspace /tmp`)).stdout).toBe('')
  })

  test('are index_unreachable for a wrong password, without a word of where they are', async () => {
    const wrong = {
      ...settings(),
      SANDBOX_APT_MIRROR: mirror.url.replace(PASSWORDS.apt, 'wrong'),
      SANDBOX_NPM_REGISTRY: registry.url.replace(PASSWORDS.npm, 'wrong'),
    }
    await using server = await installation.start({ user: installation.newUser(), env: wrong })
    await server.output('true')
    for (const [manager, name] of [
      ['apt', 'hello'],
      ['npm', 'ms'],
    ]) {
      const text = await server.refusal('install_packages', { packages: [name], manager })
      expect(text).toContain(`index_unreachable: The ${manager} index does not let this server in.`)
      expect(text).not.toMatch(/127\.0\.0\.1|wrong/)
    }
  })
})
