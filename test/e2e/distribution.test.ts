import { randomBytes } from 'node:crypto'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { getMcpConfigForManifest } from '@anthropic-ai/mcpb'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { RUNTIME_LABELS } from '../../src/runtimes/ready-runtime.ts'
import { TOOLS } from '../../src/tools/index.ts'
import { CLIENT_CONFIGS, configuredServers } from '../helpers/client-configs.ts'
import { BASE_IMAGE } from '../helpers/images.ts'
import { useInstallation } from '../helpers/installation.ts'
import { launch } from '../helpers/launched-client.ts'
import { png } from '../helpers/png.ts'
import { startRegistry } from '../helpers/package-registry.ts'

import { hostEnvironment, ROOT } from '../helpers/start-server.ts'

/** What is published: the npm package and the MCP bundle. Both are made, installed as their users do, and used. */
const execute = promisify(execFile)
const installation = useInstallation()
const BUNDLE_MS = 180_000

interface Manifest {
  readonly name: string
  readonly version: string
}
let manifest: Manifest
let archive: string
let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'distribution-'))
  manifest = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as Manifest
  // It packs the package, too. Once for all tests here: packing writes into the clone.
  await execute('npm', ['run', 'bundle'], { cwd: ROOT })
  archive = join(ROOT, '.cache/setup/pack', `${manifest.name}-${manifest.version}.tgz`)
}, BUNDLE_MS)
afterAll(() => rm(directory, { recursive: true }))

/** A runtime that no engine has an image of, so that it is built from the files of the package. */
function newRuntime(baseImage: string) {
  const name = `packed-${randomBytes(4).toString('hex')}`
  const definition = { name, description: 'For a test.', base_image: baseImage, env_vars: { FROM_PACKAGE: name } }
  return { name, env: { SANDBOX_RUNTIME: name, SANDBOX_CUSTOM_RUNTIMES: JSON.stringify([definition]) } }
}

describe('the npm package', () => {
  test('holds the program, the runtimes, the supervisors and the versions of what it needs, and nothing else', async () => {
    const { stdout } = await execute('tar', ['-tzf', archive])
    const files = stdout
      .trim()
      .replaceAll(/^package\//gm, '')
      .split('\n')
    const outside = files.filter((path) => !/^(dist\/.+\.m?js|runtimes\/.+)$/.test(path))
    expect(outside.toSorted()).toEqual([
      'LICENSE',
      'README.md',
      'npm-shrinkwrap.json',
      'package.json',
      'supervisor/build/amd64/sandbox-supervisor',
      'supervisor/build/arm64/sandbox-supervisor',
    ])
    expect(files).toEqual(expect.arrayContaining(['dist/cli.js', 'dist/tools/images/scale-image-worker.mjs']))
  })

  test('leaves nothing in the clone that npm would take for its lockfile', async () => {
    await expect(readFile(join(ROOT, 'npm-shrinkwrap.json'))).rejects.toThrow('ENOENT')
  })

  test.each([
    ['amd64', 0x3e],
    ['arm64', 0xb7],
  ])('holds a static supervisor for %s', async (arch, machine) => {
    const path = `package/supervisor/build/${arch}/sandbox-supervisor`
    const { stdout: elf } = await execute('tar', ['-xzOf', archive, path], { encoding: 'buffer', maxBuffer: 2 ** 24 })
    // elf(5): the magic number; e_machine; of the program headers none names an interpreter (PT_INTERP).
    expect(elf.subarray(0, 5)).toEqual(Buffer.from('\x7fELF\x02'))
    expect(elf.readUInt16LE(18)).toBe(machine)
    const [offset, size, count] = [Number(elf.readBigUInt64LE(32)), elf.readUInt16LE(54), elf.readUInt16LE(56)]
    const types = Array.from({ length: count }, (_, index) => elf.readUInt32LE(offset + index * size))
    expect(types).not.toContain(3)
  })

  describe('installed from a registry into an empty folder', () => {
    const npx = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
      execute('npx', ['--no-install', 'sandbox-mcp', ...args], {
        cwd: directory,
        env: { ...hostEnvironment(), ...env },
      })

    beforeAll(async () => {
      const { stdout: upstream } = await execute('npm', ['config', 'get', 'registry'])
      await using registry = await startRegistry({ manifest, archive }, upstream.trim())
      const install = ['install', '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund']
      await execute('npm', [...install, '--prefix', directory, '--registry', registry.url, manifest.name])
    }, BUNDLE_MS)

    test('says its version and its settings', async () => {
      expect((await npx(['--version'])).stdout).toBe(`${manifest.version}\n`)
      expect((await npx(['config'], { SANDBOX_USER: 'alice' })).stdout).toMatch(/^user +alice +env SANDBOX_USER/m)
    })

    // A version that was published after the release is one that nobody has tried, or that somebody has poisoned.
    test('brings the very versions of the lockfile, and none that only developers need', async () => {
      interface Lock {
        readonly packages: Readonly<Record<string, { readonly version: string; readonly dev?: boolean }>>
      }
      const read = async (path: string) => JSON.parse(await readFile(path, 'utf8')) as Lock
      const { packages: locked } = await read(join(ROOT, 'package-lock.json'))
      const { packages: installed } = await read(join(directory, 'node_modules/.package-lock.json'))
      const own = `node_modules/${manifest.name}/`
      const versions = Object.entries(installed)
        .filter(([path]) => path.startsWith(own))
        .map(([path, { version }]) => [path.slice(own.length), version])
      expect(versions.length).toBeGreaterThan(100)
      expect(versions).toEqual(versions.map(([path = '']) => [path, locked[path]?.version]))
      expect(versions.filter(([path = '']) => locked[path]?.dev)).toEqual([])
    })

    test('builds a runtime from its own files, and serves a session on it', async () => {
      const runtime = newRuntime(BASE_IMAGE)
      try {
        const { stdout } = await npx(['build', '--json'], runtime.env)
        expect(JSON.parse(stdout)).toMatchObject([{ name: runtime.name, built: true }])
        await using server = await launch(
          { command: 'npx', args: ['--no-install', 'sandbox-mcp'] },
          {
            cwd: directory,
            env: { ...runtime.env, SANDBOX_USER: installation.newUser(), SANDBOX_INSTALLATION: installation.name },
          },
        )
        const { structuredContent } = await server.call('shell_exec', { command: 'echo "$FROM_PACKAGE"' })
        expect(structuredContent).toMatchObject({ stdout: `${runtime.name}\n`, exit_code: 0 })
      } finally {
        const { engine } = installation
        for (const { name } of await engine.containers.list({ [RUNTIME_LABELS.runtime]: runtime.name })) {
          await engine.containers.remove(name)
        }
        for (const { tags } of await engine.images.list({ [RUNTIME_LABELS.runtime]: runtime.name })) {
          for (const tag of tags) await engine.images.remove(tag)
        }
      }
    })

    test.each(CLIENT_CONFIGS)('is started by $client as examples/clients/$file says', async (config) => {
      const { sandbox } = configuredServers(config, { SANDBOX_TOKEN: '', 'sandbox-token': '' })
      if (sandbox?.command === undefined) throw new Error('there is no server that the client starts')
      const env = { SANDBOX_INSTALLATION: installation.name }
      await using server = await launch({ ...sandbox, command: sandbox.command }, { cwd: directory, env })
      expect(await server.toolNames()).toEqual(TOOLS.map(({ name }) => name))
      expect(server.client.getServerVersion()).toMatchObject({ version: manifest.version })
      expect(sandbox.env).toEqual({ SANDBOX_USER: 'alice' })
    })

    test('says what to do when neither the engine nor a registry has the base of the runtime', async () => {
      // Port 9 (discard) of the engine's own machine, where no registry is.
      const { env } = newRuntime('127.0.0.1:9/none:1')
      await expect(npx(['build'], env)).rejects.toMatchObject({
        code: 69,
        stderr: expect.stringMatching(
          /^image_unavailable: The base image .*\nOn the server, make a registry reachable/m,
        ),
      })
    })
  })
})

describe('the MCP bundle', () => {
  const MCPB = join(ROOT, 'node_modules/@anthropic-ai/mcpb/dist/cli/cli.js')

  test('passes the check of its own tools, and serves a session as Claude Desktop starts it', async () => {
    const folder = join(directory, 'bundle')
    await mkdir(folder)
    await execute(process.execPath, [MCPB, 'unpack', join(ROOT, 'dist-bundle/sandbox-mcp.mcpb'), folder])
    await execute(process.execPath, [MCPB, 'validate', join(folder, 'manifest.json')])

    const bundle = JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8')) as Parameters<
      typeof getMcpConfigForManifest
    >[0]['manifest']
    const user = installation.newUser()
    const entry = await getMcpConfigForManifest({
      manifest: bundle,
      extensionPath: folder,
      systemDirs: {},
      userConfig: { user, memory: '256MiB' },
      pathSeparator: '/',
    })
    if (!entry) throw new Error('the manifest asks for a setting')
    await using server = await launch(entry, { cwd: directory, env: { SANDBOX_INSTALLATION: installation.name } })
    expect(await server.toolNames()).toEqual(TOOLS.map(({ name }) => name))
    expect(await server.toolNames()).toEqual(bundle.tools?.map(({ name }) => name))
    // An image that is too wide is scaled by a worker, whose file has to be found, too.
    await server.call('write_file', { path: 'wide.png', content: png(2000, 20).toString('base64'), encoding: 'base64' })
    const { content } = await server.call('read_file', { path: 'wide.png' })
    expect(content).toContainEqual(expect.objectContaining({ type: 'image', mimeType: 'image/png' }))
    const container = await installation.engine.containers.inspect(installation.identityOf(user).containerName)
    expect(container?.effective.memoryBytes).toBe(256 * 1024 ** 2)
  })

  test('holds no package that only developers need', async () => {
    const lock = JSON.parse(
      await readFile(join(directory, 'bundle/server/node_modules/.package-lock.json'), 'utf8'),
    ) as { packages: Record<string, { dev?: boolean }> }
    expect(Object.keys(lock.packages).length).toBeGreaterThan(100)
    expect(Object.entries(lock.packages).filter(([, { dev }]) => dev)).toEqual([])
  })
})
