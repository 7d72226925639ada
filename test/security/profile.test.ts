import { beforeAll, describe, expect, test } from 'vitest'
import { expectCode } from '../helpers/expect-code.ts'
import { useDocker } from '../helpers/docker.ts'
import { createProfileLab, type ProfileLab } from '../helpers/profile-lab.ts'
import { rawDocker } from '../helpers/raw-docker.ts'
import { containerSpec } from '../helpers/specs.ts'
import { ATTACKS } from './profile-attacks.ts'

/** Each flag of the profile: an attack fails in a sandbox, and succeeds in the same container without the flag. */
const docker = useDocker()
let lab: ProfileLab
beforeAll(async () => {
  lab = await createProfileLab(docker)
})

describe('the profile', () => {
  test.concurrent.for(ATTACKS)('stops by $flag an attempt to $attempt', async (attack, { expect }) => {
    const { given = () => undefined, without } = attack
    const overrides = { limits: { ...containerSpec({ name: 'limits' }).limits, ...attack.limits } }
    const hardened = await (attack.given ? lab.changed(given, overrides) : lab.hardened(overrides))
    expect(await hardened.attack(attack.command, attack.uid), 'with the flag').toMatch(attack.stopped)

    const control = await lab.changed((body) => {
      given(body)
      without(body)
    }, overrides)
    expect(await control.attack(attack.command, attack.uid), 'without the flag').toMatch(attack.succeeds)
    await Promise.all([hardened, control].map(({ id }) => docker.engine.containers.remove(id)))
  })
})

describe('a sandbox', () => {
  test('has only the mounts that it needs', async () => {
    const target = await lab.hardened()
    const points = await target.attack(['sh', '-c', "cut -d' ' -f5,9- /proc/self/mountinfo"])
    const others = points
      .split('\n')
      .map((line) => line.split(' ')[0] ?? '')
      .filter((point) => !/^\/(proc|sys|dev)(\/|$)/.test(point))
    expect(others.toSorted()).toEqual(expect.arrayContaining(['/', '/tmp', '/tmp/.sandbox', '/workspace']))
    // What engines put in themselves: names and resolver, from files of the container, read-only.
    const unexpected = others.filter(
      (point) =>
        !['/', '/tmp', '/tmp/.sandbox', '/workspace', '/etc/hostname', '/etc/hosts', '/etc/resolv.conf'].includes(
          point,
        ),
    )
    expect(unexpected).toEqual([])
  })

  test('can write nowhere but in the workspace and in tmpfs', async () => {
    const target = await lab.hardened()
    const writable = await target.attack(['sh', '-c', 'find / -xdev -writable ! -type l 2>/dev/null | sort; true'])
    expect(writable.split('\n')).toEqual(['/tmp', '/workspace'])
    expect(await target.attack(['sh', '-c', 'cd /dev; find . -type d -writable 2>/dev/null | sort; true'])).toBe(
      './mqueue\n./shm',
    )

    const touch = 'for d in / /etc /usr/bin /var/tmp /run /root; do touch $d/x 2>/dev/null && echo $d; done; true'
    expect(await target.attack(['sh', '-c', touch], 0), 'as root').toBe('')
    expect(await target.attack(['sh', '-c', 'touch /workspace/x /tmp/x /tmp/.sandbox/x /dev/shm/x && echo ok'])).toBe(
      'ok',
    )
  })

  test('asks no name server, and learns so at once', async () => {
    const target = await lab.hardened()
    const script = `
import socket, time
start = time.monotonic()
try: print(socket.getaddrinfo('example.com', 80))
except socket.gaierror: print('no answer')
print('fast' if time.monotonic() - start < 2 else 'slow')
for family, address in ((socket.AF_INET6, '2001:db8::1'), (socket.AF_INET6, 'fe80::1')):
  try: socket.socket(family, socket.SOCK_DGRAM).connect((address, 53)); print('reached')
  except OSError as e: print('unreachable')
`
    expect(await target.attack(['python3', '-c', script])).toBe('no answer\nfast\nunreachable\nunreachable')
  })

  test('has a filter, no new privileges and no capability in each of its processes', async () => {
    const target = await lab.hardened()
    for (const uid of [20_001, 20_000, 0]) {
      const status = await target.attack(
        ['sh', '-c', "grep -hE '^(Cap|NoNewPrivs|Seccomp:)' /proc/1/status /proc/self/status"],
        uid,
      )
      const values = status.split('\n').map((line) => line.replace(/\s+/, ' '))
      expect(new Set(values)).toEqual(
        new Set([
          ...['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].map((name) => `${name}: 0000000000000000`),
          'NoNewPrivs: 1',
          'Seccomp: 2',
        ]),
      )
    }
  })

  test('does not limit processes per uid, which would hit other sandboxes', async () => {
    const target = await lab.hardened()
    const command = ['bash', '-c', 'ulimit -Su; ulimit -Hu']
    const limits = (await target.attack(command))
      .split('\n')
      .map((text) => (text === 'unlimited' ? Infinity : Number(text)))
    expect(Math.min(...limits)).toBeGreaterThan(4096)
  })

  test('writes nothing into a log on the host', async () => {
    const print = ['sh', '-c', 'echo flood > /proc/1/fd/1; echo done']
    const logsOf = (id: string) => rawDocker(docker.address).getContainer(id).logs({ stdout: true })
    const target = await lab.hardened()
    expect(await target.attack(print)).toBe('done')
    await expect(logsOf(target.id)).rejects.toThrow('does not support reading')

    const control = await lab.changed((body) => delete body.HostConfig['LogConfig'])
    await control.attack(print)
    await expect.poll(async () => (await logsOf(control.id)).toString()).toContain('flood')
  })

  test('does not share its IPC namespace', async () => {
    const target = await lab.hardened()
    const join = (id: string) =>
      lab.changed((body) => {
        body.HostConfig['IpcMode'] = `container:${id}`
      })
    await expect(join(target.id)).rejects.toThrow(/IPC/)
    const control = await lab.changed((body) => {
      body.HostConfig['IpcMode'] = 'shareable'
    })
    await expect(join(control.id)).resolves.toHaveProperty('id')
  })

  test('does not run the entrypoint of its image', async () => {
    const target = await lab.hardened()
    expect((await docker.engine.containers.inspect(target.id))?.state).toBe('running')
    const control = await lab.changed((body) => delete body['Entrypoint'])
    await expect
      .poll(async () => docker.engine.containers.inspect(control.id))
      .toMatchObject({ state: 'exited', exitCode: 1 })
  })

  test('is not started again by the engine, and leaves its evidence', async () => {
    const target = await lab.hardened()
    await rawDocker(docker.address).getContainer(target.id).kill()
    await expect
      .poll(async () => docker.engine.containers.inspect(target.id))
      .toMatchObject({ state: 'exited', exitCode: 137 })
  })

  test('is refused an OCI runtime that the engine does not have', async () => {
    const spec = await docker.spec({ image: lab.image, ociRuntime: 'no-such-runtime' })
    await expectCode(docker.engine.containers.create(spec), 'engine_failed')
  })
})
