import { describe, expect, test } from 'vitest'
import { silentLogger } from '../../src/lib/logger.ts'
import { Catalogue } from '../../src/runtimes/catalogue.ts'
import { RuntimeImages } from '../../src/runtimes/image-builder.ts'
import { BRIDGE_UID, SUPERVISOR_PATH } from '../../src/supervisor/protocol.ts'
import { useBuildNetwork } from '../helpers/build-network.ts'
import { useDocker } from '../helpers/docker.ts'
import { readStream, run } from '../helpers/stream.ts'

const docker = useDocker()
const network = useBuildNetwork()
const UID = 1_130_002
const MIB = 1024 ** 2
/** A cold build downloads and compiles. */
const BUILD_MS = 15 * 60_000
const catalogue = Catalogue.builtIn()

const images = () => new RuntimeImages({ engine: docker.engine, catalogue, logger: silentLogger, ...network() })

/** A hardened container of a runtime, with its supervisor as PID 1; gives what runs a command there as the user. */
async function sandboxOf(name: string) {
  const ready = await images().ensure(name)
  const { spec, id } = await docker.container({
    image: ready.imageId,
    uid: UID,
    bridgeUid: BRIDGE_UID,
    env: { ...ready.env, HOME: '/workspace' },
    command: [SUPERVISOR_PATH, 'init'],
    limits: {
      memoryBytes: 1024 * MIB,
      cpus: 2,
      pids: 256,
      tmpBytes: 256 * MIB,
      spoolBytes: 16 * MIB,
      shmBytes: 16 * MIB,
      fileBytes: 256 * MIB,
      openFiles: 1024,
    },
  })
  const as = async (uid: number, ...command: readonly string[]) => {
    const { stdout, stderr } = await run(docker.engine.containers, id, { command, uid })
    return stdout.toString() + stderr
  }
  return {
    spec,
    /** Opens the bridge, as each server does, and closes it as soon as the supervisor answers. */
    async connect() {
      const stream = await docker.engine.containers.openStream(id, {
        command: [SUPERVISOR_PATH, 'connect'],
        uid: BRIDGE_UID,
      })
      const ended = readStream(stream)
      stream.close()
      await ended
    },
    shell: (line: string) => as(UID, 'sh', '-c', line),
  }
}

describe('the built-in runtime', () => {
  // The check of the definition is a step of the build; here it runs under the whole hardening profile.
  test.each(catalogue.names)(
    '%s can be built, and passes its check in a sandbox',
    { timeout: BUILD_MS },
    async (name) => {
      const { check = [] } = catalogue.get(name)
      const sandbox = await sandboxOf(name)
      await sandbox.connect()
      const quoted = check.map((arg) => `'${arg.replaceAll("'", String.raw`'\''`)}'`).join(' ')
      expect(await sandbox.shell(`cd /workspace && ${quoted} && echo the-check-passed`)).toMatch(/^the-check-passed$/m)
    },
  )
})

describe('a sandbox', { timeout: BUILD_MS }, () => {
  test('knows its user by name, so that whoami, git, ssh and Python work', async () => {
    const sandbox = await sandboxOf('polyglot')
    await sandbox.connect()
    expect(await sandbox.shell('id; whoami; echo ~sandbox')).toBe(
      `uid=${UID}(sandbox) gid=${UID}(sandbox) groups=${UID}(sandbox)\nsandbox\n/workspace\n`,
    )
    expect(
      await sandbox.shell(
        'python3 -c "import getpass, pwd, os; print(getpass.getuser(), pwd.getpwuid(os.getuid()).pw_shell)"',
      ),
    ).toBe('sandbox /bin/bash\n')
    expect(await sandbox.shell('node -p "os.userInfo().username"')).toBe('sandbox\n')
    // The workspace itself belongs to root, which git would take for a stranger's repository.
    expect(
      await sandbox.shell(
        'cd /workspace && git init -q && git commit -q --allow-empty -m x && git log --format="%an %ae"',
      ),
    ).toBe('sandbox sandbox@localhost\n')
    expect(
      await sandbox.shell('ssh-keygen -q -t ed25519 -N "" -f /workspace/key && cut -d" " -f3 /workspace/key.pub'),
    ).toBe('sandbox@sandbox\n')
  })

  // The engine reads /etc/passwd in the container at each exec: a FIFO in its place would block every later stream.
  test('cannot change the accounts that the engine reads', async () => {
    const sandbox = await sandboxOf('python-minimal')
    await sandbox.connect()
    const before = await sandbox.shell('cat /etc/passwd /etc/group')
    const attacks = await sandbox.shell(
      [
        'echo evil::0:0::/:/bin/sh >> /etc/passwd',
        'rm -f /etc/passwd',
        'rm -rf /tmp/.sandbox-etc',
        'mv /tmp/.sandbox-etc /tmp/moved',
        'mkfifo /tmp/.sandbox-etc/fifo && mv -f /tmp/.sandbox-etc/fifo /tmp/.sandbox-etc/passwd',
        'chmod 777 /tmp/.sandbox-etc',
        'ln -sfn /dev/zero /tmp/.sandbox-etc/passwd',
      ]
        .map((attack) => `(${attack}) 2>/dev/null && echo "succeeded: ${attack}"`)
        .join('; '),
    )
    expect(attacks).toBe('')
    expect(await sandbox.shell('cat /etc/passwd /etc/group')).toBe(before)
    await sandbox.connect()
  })

  test('of node-react finds the packages of its runtime from any directory, and npm installs into the present one', async () => {
    const sandbox = await sandboxOf('node-react')
    expect(
      await sandbox.shell(
        'cd /tmp && echo "import { version } from \'react\'; console.log(version)" > a.mjs && node a.mjs',
      ),
    ).toMatch(/^\d+\.\d+\.\d+\n$/)
    expect(await sandbox.shell('node -p "typeof require(\'react-dom/server\').renderToString"')).toBe('function\n')
    expect(await sandbox.shell('mkdir /tmp/new && cd /tmp/new && npm prefix')).toBe('/tmp/new\n')
  })
})
