import { execFile } from 'node:child_process'
import { finished } from 'node:stream/promises'
import { promisify } from 'node:util'
import type Docker from 'dockerode'
import type { World } from './world.ts'

const run = promisify(execFile)

/** One command in a container of its own, the usual way, without any of the hardening that a sandbox has. */
export interface PlainRun {
  readonly image: string
  /** Mounted at /workspace. */
  readonly volume: string
}

const COMMAND = ['bash', '-c', 'true']

/** Containers of this kind, removed with `removeAll`: removing is no part of what is timed. */
export class PlainContainers {
  readonly #world: World
  readonly #ids: string[] = []

  constructor(world: World) {
    this.#world = world
  }

  /** By the engine's API, as `docker run` does it: create, attach, start, read to the end, wait. */
  async byApi(plain: PlainRun): Promise<void> {
    const container = await this.#create(plain, COMMAND)
    const stream = await container.attach({ stream: true, stdout: true, stderr: true })
    const read = finished(stream.resume())
    await container.start()
    const { StatusCode } = (await container.wait({ condition: 'not-running' })) as { StatusCode: number }
    await read
    if (StatusCode !== 0) throw new Error(`the container ended with ${StatusCode}`)
  }

  /** `docker run` itself, the start of its own process included. */
  async byCli({ image, volume }: PlainRun): Promise<void> {
    const name = `${this.#world.installation}-${this.#ids.length}`
    this.#ids.push(name)
    const label = `sandbox-mcp.installation=${this.#world.installation}`
    const [program = '', ...args] = COMMAND
    const options = ['--name', name, '--label', label, '--network', 'none', '--log-driver', 'none']
    await run('docker', ['run', ...options, '-v', `${volume}:/workspace`, '--entrypoint', program, image, ...args])
  }

  /** A container that stays, and the command in it by exec: what an agent without a supervisor does. */
  async startedForExec(plain: PlainRun): Promise<Docker.Container> {
    const container = await this.#create(plain, ['sleep', 'infinity'])
    await container.start()
    return container
  }

  async removeAll(): Promise<void> {
    const ids = this.#ids.splice(0)
    await Promise.all(ids.map((id) => this.#world.docker.getContainer(id).remove({ force: true })))
  }

  async #create({ image, volume }: PlainRun, [program = '', ...args]: readonly string[]): Promise<Docker.Container> {
    const container = await this.#world.docker.createContainer({
      Image: image,
      Entrypoint: [program],
      Cmd: args,
      NetworkDisabled: true,
      AttachStdout: true,
      AttachStderr: true,
      Labels: { 'sandbox-mcp.installation': this.#world.installation },
      HostConfig: {
        NetworkMode: 'none',
        LogConfig: { Type: 'none', Config: {} },
        Mounts: [{ Type: 'volume', Source: volume, Target: '/workspace' }],
      },
    })
    this.#ids.push(container.id)
    return container
  }
}

/** True where the docker command line is installed. */
export async function hasDockerCli(): Promise<boolean> {
  return await run('docker', ['--version']).then(
    () => true,
    () => false,
  )
}
