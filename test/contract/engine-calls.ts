import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import type { CallOptions, Engine, Labels } from '../../src/engine/engine.ts'
import { containerSpec } from '../helpers/specs.ts'

/** Each method of the seam that is a call, with arguments of the right shape. */
export interface EngineCall {
  readonly name: string
  run(engine: Engine, options: CallOptions): Promise<unknown>
}

/** The labels of a volume that a call may make after all, when its reply is lost. */
export const CALL_LABELS: Labels = { 'sandbox-mcp.test': `calls-${randomBytes(4).toString('hex')}` }
const NAME = `no-such-thing-${randomBytes(4).toString('hex')}`
const IMAGE = 'localhost:1/sandbox-mcp/no-such-image:none'
const spec = containerSpec({ name: NAME, image: IMAGE, labels: CALL_LABELS })

export const CALLS: readonly EngineCall[] = [
  { name: 'ping', run: (engine, options) => engine.ping(options) },
  { name: 'info', run: (engine, options) => engine.info(options) },
  { name: 'containers.create', run: ({ containers }, options) => containers.create(spec, options) },
  { name: 'containers.start', run: ({ containers }, options) => containers.start(NAME, options) },
  { name: 'containers.stop', run: ({ containers }, options) => containers.stop(NAME, options) },
  { name: 'containers.pause', run: ({ containers }, options) => containers.pause(NAME, options) },
  { name: 'containers.unpause', run: ({ containers }, options) => containers.unpause(NAME, options) },
  { name: 'containers.remove', run: ({ containers }, options) => containers.remove(NAME, options) },
  {
    name: 'containers.update',
    run: ({ containers }, options) =>
      containers.update(NAME, { memoryBytes: 64 * 1024 ** 2, cpus: 1, pids: 64 }, options),
  },
  { name: 'containers.inspect', run: ({ containers }, options) => containers.inspect(NAME, options) },
  { name: 'containers.list', run: ({ containers }, options) => containers.list({}, options) },
  {
    name: 'containers.openStream',
    run: ({ containers }, options) => containers.openStream(NAME, { command: ['true'], uid: 20_001 }, options),
  },
  {
    name: 'containers.putProgram',
    run: ({ containers }, options) =>
      containers.putProgram(NAME, { directory: '.test', name: 'program', content: Buffer.from('x') }, options),
  },
  { name: 'volumes.ensure', run: ({ volumes }, options) => volumes.ensure(NAME, CALL_LABELS, options) },
  { name: 'volumes.inspect', run: ({ volumes }, options) => volumes.inspect(NAME, options) },
  { name: 'volumes.list', run: ({ volumes }, options) => volumes.list({}, options) },
  { name: 'volumes.remove', run: ({ volumes }, options) => volumes.remove(`${NAME}-at-all`, options) },
  { name: 'images.inspect', run: ({ images }, options) => images.inspect(IMAGE, options) },
  { name: 'images.list', run: ({ images }, options) => images.list({}, options) },
  { name: 'images.pull', run: ({ images }, options) => images.pull(IMAGE, options) },
  {
    name: 'images.build',
    run: ({ images }, options) =>
      images.build(Readable.from([Buffer.alloc(1024)]), { tag: IMAGE, labels: {} }, options),
  },
  { name: 'images.tag', run: ({ images }, options) => images.tag(IMAGE, `${IMAGE}-2`, options) },
  { name: 'images.remove', run: ({ images }, options) => images.remove(IMAGE, options) },
]
