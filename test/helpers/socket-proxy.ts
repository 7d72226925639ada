import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { delayedPieces } from './delayed-pieces.ts'
import { EngineRequests, type EngineRequest } from './engine-requests.ts'
import { type CountedRequest, type Filtered, type ProxyFault, replyFilter, ruleBook } from './proxy-fault.ts'

export type { ProxyFault } from './proxy-fault.ts'

/** A byte proxy before the engine's socket that can misbehave. It changes nothing by itself, so hijacked connections and half-closes pass. */
export interface SocketProxy {
  readonly socketPath: string
  /** Connections that were made to it so far. */
  readonly connections: number
  /** Requests that were made so far, in order. */
  readonly requests: readonly CountedRequest[]
  /** Ends the present connections. */
  cutAll(): void
  /** Stops listening: the socket is gone, as that of an engine that is down. */
  stop(): Promise<void>
  /** Listens again after {@link stop}. */
  start(): Promise<void>
}

/** Between two pieces of a slow drip, in milliseconds. */
const DRIP_MS = 5

/** Starts a proxy before the engine that listens at `target`. A client keeps connections alive, so each fault of all requests needs a proxy of its own. */
export async function startSocketProxy(target: string, fault: ProxyFault): Promise<SocketProxy> {
  const socketPath = join(tmpdir(), `proxy-${randomBytes(6).toString('hex')}.sock`)
  const sockets = new Set<Socket>()
  const requests: CountedRequest[] = []
  const faultOf = ruleBook(fault.rules ?? [])
  let connections = 0
  let server: Server | undefined

  const scene: Scene = {
    target,
    fault,
    track: (socket) => {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
      // What goes wrong on one side is passed on as the end of the other.
      socket.on('error', () => socket.destroy())
    },
    begin: (request) => {
      const counted = { ...request, index: requests.length + 1 }
      requests.push(counted)
      return { request: counted, fault: { ...fault, ...faultOf(request) } }
    },
  }
  const cutAll = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  const stop = async (): Promise<void> => {
    const stopping = server
    server = undefined
    if (!stopping) return
    const closed = new Promise((resolve) => stopping.close(resolve))
    cutAll()
    await closed
    await rm(socketPath, { force: true })
  }
  const start = async (): Promise<void> => {
    const starting = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
      connections += 1
      scene.track(client)
      pass(client, scene)
    })
    await new Promise<void>((resolve) => starting.listen(socketPath, resolve))
    server = starting
  }
  await start()
  return {
    socketPath,
    get connections() {
      return connections
    },
    requests,
    cutAll,
    stop,
    start,
  }
}

interface Scene {
  readonly target: string
  readonly fault: ProxyFault
  track(socket: Socket): void
  begin(request: EngineRequest): { readonly request: CountedRequest; readonly fault: ProxyFault }
}

/** What the replies of a connection belong to. */
interface Current {
  /** Passed on, and nothing came back since. HTTP/1.1 as engines' clients use it has one at a time; frames are sent without waiting. */
  readonly unanswered: Set<CountedRequest>
  fault: ProxyFault
  filter: (piece: Buffer) => Filtered
}

function pass(client: Socket, scene: Scene): void {
  const { fault, target, track } = scene
  if (fault.refuse) {
    client.destroy()
    return
  }
  const engine = connect({ path: target, allowHalfOpen: true })
  track(engine)
  client.on('close', () => engine.destroy())
  engine.on('close', () => client.destroy())
  const current: Current = { unanswered: new Set(), fault, filter: replyFilter(fault) }
  const cut = (): void => {
    client.destroy()
    engine.destroy()
  }
  passRequests(client, engine, scene, current).catch(cut)
  passReplies(engine, client, current).catch(cut)
  client.resume()
}

async function passRequests(client: Socket, engine: Socket, scene: Scene, current: Current): Promise<void> {
  const { latencyMs = 0, jitterMs = 0, onRequest, rules = [] } = scene.fault
  const parser = new EngineRequests()
  for await (const piece of delayedPieces(client, { latencyMs, jitterMs, coalesceBytes: 0 })) {
    for (const { bytes, begins } of parser.push(piece)) {
      if (begins) {
        const begun = scene.begin(begins)
        const verdict = await onRequest?.(begun.request)
        if (verdict === 'half') await write(engine, bytes.subarray(0, bytes.length / 2))
        if (verdict !== undefined) return void client.destroy()
        current.unanswered.add(begun.request)
        current.fault = begun.fault
        // Of the whole connection unless there is a rule: byte counts are then per reply.
        if (rules.length > 0) current.filter = replyFilter(begun.fault)
        if (begun.fault.refuse) return void client.destroy()
        if (begun.fault.garbage) return void client.end(begun.fault.garbage)
      }
      await write(engine, bytes)
    }
  }
  const rest = parser.rest()
  if (rest.length > 0) await write(engine, rest)
  engine.end()
}

async function passReplies(engine: Socket, client: Socket, current: Current): Promise<void> {
  const { latencyMs = 0, jitterMs = 0, coalesceBytes = 0, onReply } = current.fault
  for await (const arrived of delayedPieces(engine, { latencyMs, jitterMs, coalesceBytes })) {
    for (const request of current.unanswered) {
      current.unanswered.delete(request)
      if ((await onReply?.(request)) !== undefined) return void client.destroy()
    }
    const { piece, isLast } = current.filter(arrived)
    const { dripBytes = piece.length } = current.fault
    for (let at = 0; at < piece.length; at += dripBytes) {
      if (at > 0) await delay(DRIP_MS)
      await write(client, piece.subarray(at, at + dripBytes))
    }
    if (isLast) return void client.end()
  }
  client.end()
}

/** Resolves when more is welcome. What cannot be written any more is lost, as it is on a broken connection. */
function write(to: Socket, piece: Buffer): Promise<void> {
  return new Promise((resolve) => {
    if (to.destroyed || to.writableEnded || piece.length === 0) resolve()
    else to.write(piece, () => resolve())
  })
}
