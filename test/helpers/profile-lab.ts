import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { pack } from 'tar-stream'
import { toContainerBody, type ContainerBody } from '../../src/engine/docker/container-spec.ts'
import type { VolumeSpec } from './specs.ts'
import type { TestDocker } from './docker.ts'
import { BASE_IMAGE } from './images.ts'
import { rawDocker } from './raw-docker.ts'
import { run } from './stream.ts'

/** Where the system call probe is in the lab's image; the second one is set-uid root. */
export const PROBE = '/usr/local/bin/calls'
export const SETUID_PROBE = '/usr/local/bin/calls-setuid'

/** A create body whose flags can be taken away. */
export type LooseBody = { -readonly [Key in keyof ContainerBody]?: unknown } & { HostConfig: Record<string, unknown> }

/** A running container to attack. */
export interface Target {
  readonly id: string
  /** Runs a program as this uid and gives its stdout, trimmed. */
  attack(command: readonly string[], uid?: number): Promise<string>
}

/** Makes containers with the whole profile, and with parts of it taken away. */
export interface ProfileLab {
  /** The image with the probes. */
  readonly image: string
  /** A container as the driver makes it. */
  hardened(overrides?: Partial<VolumeSpec>): Promise<Target>
  /** A container of the same body after `change`, made past the driver, which would refuse. */
  changed(change: (body: LooseBody) => void, overrides?: Partial<VolumeSpec>): Promise<Target>
}

/**
 * Builds the lab's image: the base image, the probe, a set-uid copy of it, an entrypoint that must never run, and a workspace
 * that every uid may write.
 */
export async function createProfileLab(docker: TestDocker): Promise<ProfileLab> {
  const image = `sandbox-mcp-test/${docker.name('lab')}:1`
  const context = pack()
  const lines = [
    `FROM ${BASE_IMAGE}`,
    'COPY calls /usr/local/bin/calls',
    'COPY calls-setuid /usr/local/bin/calls-setuid',
    'RUN chmod 0755 /usr/local/bin/calls && chmod 4755 /usr/local/bin/calls-setuid && mkdir -p /workspace && chmod 1777 /workspace',
    'RUN echo secret > /etc/root-group-only && chmod 0640 /etc/root-group-only',
    'ENTRYPOINT ["/bin/false"]',
  ]
  const probe = await compileProbe()
  context.entry({ name: 'Dockerfile' }, `${lines.join('\n')}\n`)
  context.entry({ name: 'calls', mode: 0o755 }, probe)
  context.entry({ name: 'calls-setuid', mode: 0o755 }, probe)
  context.finalize()
  const built = await docker.engine.images.build(Readable.from(context), {
    tag: image,
    labels: docker.labels,
    network: 'none',
  })

  const target = (id: string): Target => ({
    id,
    async attack(command, uid = 20_001) {
      const { stdout, stderr, error } = await run(docker.engine.containers, id, { command, uid })
      if (stdout.length === 0 && stderr !== '')
        throw new Error(`the attack could not be made: ${stderr}`, { cause: error })
      return stdout.toString().trim()
    },
  })
  return {
    image,
    async hardened(overrides) {
      return target((await docker.container({ image, ...overrides })).id)
    },
    async changed(change, overrides) {
      const spec = await docker.spec({ image, ...overrides })
      const body = toContainerBody(spec, { id: built.id, env: built.env }) as LooseBody
      change(body)
      const container = await rawDocker(docker.address).createContainer({ ...body, name: spec.name } as never)
      await container.start()
      return target(container.id)
    },
  }
}

/** Compiles the probe statically, with musl where it is installed. */
async function compileProbe(): Promise<Buffer> {
  const source = resolve(import.meta.dirname, '../security/probe/calls.c')
  const directory = await mkdtemp(join(tmpdir(), 'probe-'))
  const output = join(directory, 'calls')
  const compile = (compiler: string) => promisify(execFile)(compiler, ['-static', '-Os', '-o', output, source])
  try {
    await compile('musl-gcc').catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
      return compile('cc')
    })
    return await readFile(output)
  } finally {
    await rm(directory, { recursive: true })
  }
}
