import { containerSpec } from '../helpers/specs.ts'
import { createFakeEngine } from '../helpers/fake-engine.ts'
import type { FakeContainer, FakeEngineOptions } from '../helpers/fake-world.ts'
import { BASE_IMAGE } from '../helpers/images.ts'
import type { ProgramEnd } from '../helpers/memory-stream.ts'
import type { EffectiveProfile, StreamSpec } from '../../src/engine/engine.ts'
import { engineContract, type EngineSubject } from './engine.contract.ts'
import { PROGRAMS } from './engine-streams.contract.ts'

/** Plays the programs of the contract. */
function onStream({ spec }: FakeContainer, { command, uid }: StreamSpec, program: ProgramEnd): void {
  switch (command[0]) {
    case PROGRAMS.echo[0]:
      program.onStdin((data) => program.stdout(data))
      return
    case PROGRAMS.complain[0]:
      for (let line = 1; line <= 20_000; line++) program.stderr(`${line}\n`)
      void program.stdout(Buffer.from('out'))
      program.exit(3)
      return
    case PROGRAMS.whoami[0]:
      void program.stdout(Buffer.from(`${uid}\n${uid}\n`))
      program.exit()
      return
    case 'env':
      for (const [name, value] of Object.entries(spec.env)) void program.stdout(Buffer.from(`${name}=${value}\n`))
      program.exit()
      return
    case undefined:
    default:
      program.exit(127)
  }
}

const OPTIONS: FakeEngineOptions = {
  images: [BASE_IMAGE],
  onStream,
  onBuildStep: (instruction) => (instruction.endsWith('false') ? 1 : 0),
}

engineContract('fake', (): EngineSubject => {
  let isWeak = false
  const weaken = (effective: EffectiveProfile) => (isWeak ? { ...effective, pids: 0 } : effective)
  const engine = createFakeEngine({ ...OPTIONS, weaken })
  const labels = { 'sandbox-mcp.test': 'contract' }
  let serial = 0
  const name = (prefix: string): string => `${prefix}-${++serial}`
  return {
    engine,
    labels,
    name,
    async spec(overrides) {
      const spec = containerSpec({ name: name('c'), labels, ...overrides })
      await engine.volumes.ensure(spec.volume.name, labels)
      return spec
    },
    hung() {
      const hung = createFakeEngine(OPTIONS)
      hung.fail('*', 'hang')
      return Promise.resolve({ engine: hung, close: () => hung.close() })
    },
    weakened() {
      isWeak = true
      const close = () => {
        isWeak = false
        return Promise.resolve()
      }
      return Promise.resolve({ engine, close })
    },
    foreign: () => Promise.resolve(engine.foreign({ labels })),
    kill: (id) => Promise.resolve(engine.kill(id)),
    async cleanUp() {
      for (const container of await engine.containers.list(labels)) await engine.containers.remove(container.id)
      for (const volume of await engine.volumes.list(labels)) await engine.volumes.remove(volume.name)
      for (const image of await engine.images.list(labels)) {
        for (const tag of image.tags) await engine.images.remove(tag)
      }
    },
  }
})
