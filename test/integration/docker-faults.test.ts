import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { createDockerEngine } from '../../src/engine/docker/docker-engine.ts'
import { isSandboxError } from '../../src/errors/sandbox-error.ts'
import { CALL_LABELS, CALLS } from '../contract/engine-calls.ts'
import { removeByLabel, useDocker } from '../helpers/docker.ts'
import { followEvents } from '../helpers/event-log.ts'
import { expectCode } from '../helpers/expect-code.ts'
import { proxiedEngine, type ProxiedEngine } from '../helpers/proxied-engine.ts'
import type { ProxyFault } from '../helpers/socket-proxy.ts'
import { readStream, run, whenClosed } from '../helpers/stream.ts'

const UID = 20_001
const DEADLINE_MS = 400
/** What a busy machine may take longer than a deadline. */
const SLACK_MS = 1500

const docker = useDocker()
const open: ProxiedEngine[] = []
afterEach(async () => {
  for (const { close } of open.splice(0)) await close()
})
afterAll(() => removeByLabel(docker.engine, CALL_LABELS))

/** The engine through a proxy with this fault, for one test. */
async function through(fault: ProxyFault): Promise<ProxiedEngine> {
  const proxied = await proxiedEngine(docker.address, fault)
  open.push(proxied)
  return proxied
}

/** Replies that go wrong, and the codes that the caller may see. A fault in the first bytes of a reply is a broken connection. */
const REPLY_FAULTS: readonly {
  readonly name: string
  readonly fault: ProxyFault
  readonly codes: readonly string[]
}[] = [
  { name: 'is cut after one byte', fault: { cutAfterBytes: 1 }, codes: ['engine_unreachable', 'engine_failed'] },
  { name: 'is cut in its headers', fault: { cutAfterBytes: 40 }, codes: ['engine_unreachable', 'engine_failed'] },
  { name: 'is cut at the start of its body', fault: { cutAfterText: '\r\n\r\n' }, codes: ['engine_unreachable'] },
  { name: 'never begins', fault: { stallAfterBytes: 0 }, codes: ['engine_unreachable'] },
  { name: 'stalls in its headers', fault: { stallAfterBytes: 40 }, codes: ['engine_unreachable'] },
  { name: 'is garbage', fault: { garbage: randomBytes(4096) }, codes: ['engine_failed', 'engine_unreachable'] },
  {
    name: 'is HTML of another server',
    fault: { garbage: Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n<html>hi</html>') },
    codes: ['engine_failed'],
  },
  {
    name: 'is JSON of another shape',
    fault: { garbage: Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"Id":["no"]}') },
    codes: ['engine_failed'],
  },
  {
    name: 'is endless',
    fault: { garbage: Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\n\r\n"'), Buffer.alloc(20 * 1024 * 1024, 'x')]) },
    codes: ['engine_failed'],
  },
  { name: 'is a closed connection', fault: { refuse: true }, codes: ['engine_unreachable'] },
]

/** Calls for which any body of a 200 will do. */
const IGNORES_BODY = /^(ping|containers\.(start|stop|pause|unpause|remove)|volumes\.remove|images\.(tag|remove))$/

describe.each(REPLY_FAULTS)('a reply that $name', ({ name, fault, codes }) => {
  const isWholeReply = name.startsWith('is HTML') || name.startsWith('is JSON')
  const calls = CALLS.filter((call) => !(isWholeReply && IGNORES_BODY.test(call.name)))

  test.each(calls)('fails $name by its deadline', async ({ run: call }) => {
    const { engine } = await through(fault)
    const startedAt = performance.now()
    const error: unknown = await call(engine, { deadlineMs: DEADLINE_MS }).then(
      (value) => expect.fail(`it succeeded with ${JSON.stringify(value)}`),
      (reason: unknown) => reason,
    )
    expect(isSandboxError(error) ? error.code : error).toBeOneOf([...codes])
    expect(performance.now() - startedAt).toBeLessThan(DEADLINE_MS + SLACK_MS)
  })
})

describe('a create', () => {
  test('whose reply is lost fails, and the container is found by its name', async () => {
    const { engine } = await through({ cutAfterText: '"Warnings"' })
    const spec = await docker.spec()
    await expectCode(engine.containers.create(spec), 'engine_unreachable')
    expect(await docker.engine.containers.inspect(spec.name)).toMatchObject({ state: 'created', labels: spec.labels })
    await expectCode(docker.engine.containers.create(spec), 'already_exists')
  })

  test('whose protections cannot be read back leaves no container', async () => {
    const { engine } = await through({ cutAfterText: '"HostConfig"' })
    const spec = await docker.spec()
    await expectCode(engine.containers.create(spec), 'engine_unreachable')
    expect(await docker.engine.containers.inspect(spec.name)).toBeUndefined()
  })
})

describe('an engine that is down', () => {
  test('fails every call at once, and serves the next one when it is back', async () => {
    const { engine, proxy } = await through({})
    await engine.ping()
    await proxy.stop()
    for (const { run: call } of CALLS) {
      const error = await expectCode(call(engine, {}), 'engine_unreachable')
      expect(error.hint).toContain('Start the container engine')
      // The caller sees no path of the host.
      expect(`${error.message} ${error.hint}`).not.toContain(proxy.socketPath)
    }
    await proxy.start()
    await expect(engine.ping()).resolves.toBeUndefined()
  })

  test('gets a question once more after a broken connection, and a change never', async () => {
    const { engine, proxy } = await through({ garbage: Buffer.alloc(0) })
    await expectCode(engine.volumes.inspect('x'), 'engine_unreachable')
    expect(proxy.connections).toBe(2)
    await expectCode(engine.containers.start('x'), 'engine_unreachable')
    expect(proxy.connections).toBe(3)
  })

  test('cannot be used after it was closed', async () => {
    const closed = createDockerEngine({ address: docker.address })
    await closed.ping()
    await closed.close()
    await expectCode(closed.ping(), 'engine_unreachable')
  })
})

describe('a build', () => {
  test('fails when its files cannot be read', async () => {
    const { engine } = await through({})
    const broken = new Readable({
      read() {
        this.destroy(new Error('the disk is broken'))
      },
    })
    const error = await expectCode(
      engine.images.build(broken, { tag: 'sandbox-mcp-test/x:1', labels: {} }),
      'image_unavailable',
    )
    expect(error.message).toContain('files could not be read')
  })

  test('that is cut fails, and closes its files', async () => {
    const { engine } = await through({ stallAfterBytes: 0 })
    const endless = new Readable({
      read() {
        this.push(Buffer.alloc(512))
      },
    })
    const building = engine.images.build(
      endless,
      { tag: 'sandbox-mcp-test/x:1', labels: {} },
      { deadlineMs: DEADLINE_MS },
    )
    await expectCode(building, 'engine_unreachable')
    expect(endless.destroyed).toBe(true)
  })
})

describe('a stream', () => {
  test('tells a cut connection from a program that ended', async () => {
    const { engine, proxy } = await through({})
    const { id } = await docker.container()
    // It goes on without its stdin; one that ends by that cannot be told from one that ended by itself.
    const command = ['sh', '-c', 'echo ready; exec sleep 60']
    const stream = await engine.containers.openStream(id, { command, uid: UID })
    await new Promise<void>((resolve) => stream.onData(() => resolve()))
    const closed = whenClosed(stream)
    proxy.cutAll()
    await expectCode((await closed).error, 'engine_unreachable')
  })

  test('does not take an output that was cut for a whole one, though the program succeeded', async () => {
    const { id } = await docker.container()
    const { engine } = await through({ cutAfterText: 'half-' })
    const command = ['sh', '-c', 'printf half-lost']
    const { error, stdout } = await readStream(await engine.containers.openStream(id, { command, uid: UID }))
    expect(stdout.toString()).toBe('half-')
    await expectCode(error, 'engine_unreachable')
  })

  test('ends with an error when its frames are out of order', async () => {
    const { id } = await docker.container()
    // The first frame's length says 5 where 6 bytes follow.
    const header = Buffer.from([1, 0, 0, 0, 0, 0, 0, 6])
    const wrong = Buffer.from([1, 0, 0, 0, 0, 0, 0, 5])
    const { engine } = await through({
      rewrite: (piece) =>
        Buffer.from(piece.toString('latin1').replace(header.toString('latin1'), wrong.toString('latin1')), 'latin1'),
    })
    // The second is asked for when the first is there: two at once would come as one frame.
    const command = ['sh', '-c', 'printf abcdef; read -r next; printf abcdef; sleep 60']
    const stream = await engine.containers.openStream(id, { command, uid: UID })
    const closed = whenClosed(stream)
    await new Promise<void>((resolve) => stream.onData(() => resolve()))
    await stream.write(Buffer.from('next\n'))
    await expectCode((await closed).error, 'engine_failed')
  })

  test('survives thousands of one-byte frames of alternating streams in one piece', async () => {
    const { id } = await docker.container()
    const { engine } = await through({ coalesceBytes: 8 * 1024 * 1024 })
    const script = 'import os\nfor _ in range(20000):\n  os.write(1, b"o")\n  os.write(2, b"e")'
    const { stdout, stderr, error } = await run(engine.containers, id, { command: ['python3', '-c', script], uid: UID })
    expect(stdout.toString()).toBe('o'.repeat(20_000))
    expect(stderr).toBe('e'.repeat(4096))
    expect(error).toBeUndefined()
  })

  test('works over a slow connection', async () => {
    const { engine } = await through({ latencyMs: 100 })
    const { id } = await docker.container()
    const { stdout } = await run(engine.containers, id, { command: ['echo', 'hello'], uid: UID })
    expect(stdout.toString()).toBe('hello\n')
  })
})

describe('events', () => {
  test('that happen while the connection is cut arrive once after it, in order', async () => {
    const { engine, proxy } = await through({})
    const watched = { ...docker.labels, watched: docker.name('events') }
    const { id } = await docker.container({ labels: watched })
    const { containers } = docker.engine
    const marker = await containers.create(await docker.spec({ labels: watched }))
    const stop = new AbortController()
    const { events, reconnected, ended } = await followEvents(engine, containers, watched, stop.signal, {
      watched: id,
      marker: marker.id,
    })
    const types = () => events.map(({ type }) => type)

    await proxy.stop()
    await containers.pause(id)
    await containers.unpause(id)
    expect(reconnected()).toBe(0)
    await proxy.start()
    await expect.poll(types, { timeout: 10_000 }).toEqual(['pause', 'unpause'])
    expect(reconnected()).toBe(1)
    await containers.remove(id)
    await expect.poll(types, { timeout: 10_000 }).toEqual(['pause', 'unpause', 'die', 'destroy'])
    stop.abort()
    await ended
  })
})
