import { describe, expect, test } from 'vitest'
import { fetchLabels } from '../../src/registry/identity.ts'
import { useBuildNetwork } from '../helpers/build-network.ts'
import { useInstallation } from '../helpers/installation.ts'

const installation = useInstallation()
const network = useBuildNetwork()
/** A download from the public mirrors, on a busy machine. */
const INSTALL_MS = 240_000
/** Every address but loopback's, and every route: nothing, in a sandbox without a network. */
const ROUTES = 'tail -n +2 /proc/net/route; tail -n +3 /proc/net/dev | grep -v "^ *lo:"; true'

/** The settings of a server that may download, from where this machine's own package managers do. */
function settings(runtime: string, more: Record<string, string> = {}): Record<string, string> {
  const { packageSources: { pipIndexes = [], certificatesFile } = {} } = network()
  return {
    SANDBOX_RUNTIME: runtime,
    SANDBOX_INSTALL_NETWORK: 'host',
    SANDBOX_PIP_INDEX: pipIndexes.join(','),
    ...(certificatesFile === undefined ? {} : { SANDBOX_BUILD_CA: certificatesFile }),
    ...more,
  }
}

/** A server whose user's sandbox runs already, so that no answer starts with a notice. */
async function start(runtime: string, user = installation.newUser(), more: Record<string, string> = {}) {
  const server = await installation.start({ user, env: settings(runtime, more) })
  await server.output('true')
  return server
}

const fetchers = () => installation.engine.containers.list(fetchLabels(installation.name))

/** Resolves once it is so; fails naming what never was. */
async function until(isSo: () => Promise<boolean>, what: string): Promise<void> {
  await expect.poll(isSo, { timeout: 60_000, interval: 100, message: what }).toBe(true)
}

describe('install_packages', { timeout: INSTALL_MS }, () => {
  test('with pip gives a package to later commands, also after the sandbox slept, and no route to the sandbox', async () => {
    const user = installation.newUser()
    {
      await using server = await start('python-minimal', user)
      await server.output('printf "x=1" > kept.txt')
      // What the sandbox sees of networks, ten times a second, from before the download until after the install.
      const watch = await server.exec(`while sleep 0.1; do ${ROUTES}; done`, { wait_s: 0 })
      const answer = await server.call('install_packages', { packages: ['humanize', 'tabulate>=0.9'] })
      expect(answer.text).toMatch(/^humanize \d[\w.]*\ntabulate \d[\w.]*$/)
      expect(answer.structured).toMatchObject({ manager: 'pip', log_path: '/workspace/.local/install.log' })
      const seen = await server.call('process_read', { process_id: watch.process_id })
      expect(seen.structured).toMatchObject({ status: 'running', stdout: '', stderr: '' })
      expect(await server.output('python3 -c "import humanize; print(humanize.intcomma(12345))"')).toBe('12,345')
      expect(await server.output('tabulate --help | head -1')).toContain('Usage: tabulate')
      expect(await server.output('cat .local/install.log')).not.toContain('127.0.0.1')
      expect(await server.output('ls .cache/sandbox-mcp')).toBe('')
      expect(await fetchers()).toEqual([])
      const [container] = await installation.containers(user)
      await installation.engine.containers.remove(container?.id ?? '')
    }
    await using server = await start('python-minimal', user)
    expect(await server.output('python3 -c "import humanize; print(humanize.intcomma(1234))"; cat kept.txt')).toBe(
      '1,234\nx=1',
    )
    const again = await server.call('install_packages', { packages: ['humanize'] })
    expect(again.structured.installed).toEqual([expect.objectContaining({ name: 'humanize' })])
  })

  test('with npm gives a package to scripts and its programs to commands', async () => {
    await using server = await start('node-minimal')
    const answer = await server.call('install_packages', { packages: ['is-odd@3.0.1', 'semver@^7', '@types/ms'] })
    expect(answer.text).toMatch(/^is-odd 3\.0\.1\nsemver 7\.\d+\.\d+\n@types\/ms \d[\w.]*$/)
    await server.output('mkdir -p src && echo "import odd from \'is-odd\'; console.log(odd(3))" > src/a.mjs')
    expect(await server.output('node src/a.mjs && semver 1.2.3 -i minor')).toBe('true\n1.3.0')
    const second = await server.call('install_packages', { packages: ['ms'] })
    expect(second.text).toMatch(/^ms \d/)
    expect(await server.output("node -p \"require('ms')('1m') + String(require('is-odd')(2))\"")).toBe('60000false')
  })

  test('with apt gives a program and its libraries to commands', async () => {
    await using server = await start('python-minimal')
    const answer = await server.call('install_packages', { packages: ['tree', 'jq'], manager: 'apt' })
    expect(answer.text).toMatch(/^tree 2\.\S+\njq 1\.\S+$/)
    expect(await server.output('mkdir -p d && touch d/f && tree --noreport d && echo "[1,2]" | jq length')).toMatch(
      /f\n2$/,
    )
    // A part of the image, which needs no download.
    expect((await server.call('install_packages', { packages: ['bash'], manager: 'apt' })).text).toMatch(/^bash 5/)
  })

  test('names what the index does not have, in our words', async () => {
    await using server = await start('polyglot')
    const refused = (args: Record<string, unknown>) => server.refusal('install_packages', args)
    expect(await refused({ packages: ['humanize', 'no-such-thing-zzqx'] })).toMatch(
      /^package_not_found: The pip index does not have no-such-thing-zzqx /,
    )
    expect(await refused({ packages: ['no-such-thing-zzqx'], manager: 'npm' })).toMatch(/^package_not_found: The npm /)
    expect(await refused({ packages: ['no-such-thing-zzqx'], manager: 'apt' })).toMatch(/^package_not_found: The apt /)
    expect(await refused({ packages: ['ripgrep'], manager: 'cargo' })).toMatch(/^invalid_argument: .* no cargo/)
    expect(await fetchers()).toEqual([])
  })

  test('says so when the index does not answer', async () => {
    await using server = await start('python-minimal', undefined, { SANDBOX_PIP_INDEX: 'http://127.0.0.1:1/simple' })
    expect(await server.refusal('install_packages', { packages: ['humanize'] })).toMatch(/^index_unreachable: /)
  })

  test('takes no option, path, URL or shell text for a package', async () => {
    await using server = await start('python-minimal')
    const hostile = [
      '--index-url=http://127.0.0.1:1/',
      '-r/etc/passwd',
      './evil',
      'git+https://127.0.0.1/x.git',
      'x @ http://127.0.0.1/x.whl',
      'a;touch /tmp/out/evil',
      'a$(id)',
      'a\nb',
      '..',
    ]
    for (const manager of ['pip', 'npm', 'apt', 'cargo']) {
      for (const name of hostile) {
        expect(await server.refusal('install_packages', { packages: [name], manager })).toMatch(/^invalid_argument: /)
      }
    }
    expect(await fetchers()).toEqual([])
  })

  // Each of these would run, or change where packages come from, if the download saw the workspace.
  test('lets nothing of the workspace run with a network', async () => {
    await using server = await start('polyglot')
    const witness = (name: string) =>
      `import os; os.system("(date; ${ROUTES.replaceAll('"', '\\"')}) >> /workspace/ran-${name}")`
    await server.call('write_file', { path: 'sitecustomize.py', content: witness('sitecustomize') })
    await server.call('write_file', {
      path: '.local/lib/python3.11/site-packages/usercustomize.py',
      content: witness('usercustomize'),
    })
    await server.call('write_file', {
      path: '.config/pip/pip.conf',
      content: '[global]\nindex-url = http://127.0.0.1:1/simple\nno-index = true\n',
    })
    await server.call('write_file', { path: 'pip.py', content: witness('pip') })
    await server.call('write_file', {
      path: '.npmrc',
      content:
        'registry=http://127.0.0.1:1/\nscript-shell=/workspace/evil.sh\nnode-options=--require /workspace/evil.js\n',
    })
    await server.call('write_file', {
      path: 'package.json',
      content: '{"dependencies":{"evil":"git+file:///workspace"}}',
    })
    await server.call('write_file', {
      path: '.local/bin/tar',
      content: '#!/bin/sh\nexec /bin/tar "$@"\n',
      executable: true,
    })
    expect((await server.call('install_packages', { packages: ['humanize'] })).text).toMatch(/^humanize /)
    expect((await server.call('install_packages', { packages: ['ms'], manager: 'npm' })).text).toMatch(/^ms /)
    // The user's own hooks run, as in any command of theirs: offline. The witness is the time alone, no interface and no route.
    expect(await server.output('ls ran-*')).toContain('ran-usercustomize')
    expect(await server.output('cat ran-* | grep -v UTC; true')).toBe('')
    expect(await server.output('cat package.json')).toContain('evil')
  })

  test('one after the other for one user, at the same time for two', async () => {
    await using ada = await start('python-minimal')
    await using bob = await start('python-minimal')
    const answers = await Promise.all([
      ada.call('install_packages', { packages: ['six'] }),
      ada.call('install_packages', { packages: ['idna'] }),
      bob.call('install_packages', { packages: ['tomli'] }),
    ])
    expect(answers.map(({ text }) => text.split(' ')[0])).toEqual(['six', 'idna', 'tomli'])
    expect(await ada.output('python3 -c "import six, idna"')).toBe('')
    expect((await bob.exec('python3 -c "import six"')).exit_code).toBe(1)
  })

  test('leaves no container behind after a cancel', async () => {
    await using server = await start('python-minimal', undefined, { SANDBOX_PIP_INDEX: 'http://10.255.255.1/simple' })
    const cancel = new AbortController()
    const call = server.call('install_packages', { packages: ['humanize'] }, { signal: cancel.signal })
    const ended = call.then(
      () => 'answered',
      () => 'cancelled',
    )
    await until(async () => (await fetchers()).some(({ state }) => state === 'running'), 'a download')
    cancel.abort()
    expect(await ended).toBe('cancelled')
    await until(async () => (await fetchers()).length === 0, 'the download is gone')
  })

  test('a download ends with its server, and the next one removes what is left', async () => {
    {
      await using server = await start('python-minimal', undefined, { SANDBOX_PIP_INDEX: 'http://10.255.255.1/simple' })
      const call = server.call('install_packages', { packages: ['humanize'] }).catch(() => undefined)
      await until(async () => (await fetchers()).some(({ state }) => state === 'running'), 'a download')
      server.kill('SIGKILL')
      await server.exited
      await call
    }
    await until(async () => (await fetchers()).every(({ state }) => state === 'exited'), 'the download has ended')
    await using next = await start('python-minimal')
    await until(async () => (await fetchers()).length === 0, 'it is swept')
    expect(next.log.map(({ msg }) => msg)).toContainEqual(expect.stringMatching(/^removed containers/))
  })

  test('without a network for it names the ways out', async () => {
    await using server = await start('python-minimal', undefined, { SANDBOX_INSTALL_NETWORK: 'none' })
    const text = await server.refusal('install_packages', { packages: ['humanize'] })
    expect(text).toMatch(/^network_disabled: /)
    for (const way of ['sandbox_info', 'sandbox_manage', 'polyglot', 'upload', 'installNetwork'])
      expect(text).toContain(way)
  })
})
