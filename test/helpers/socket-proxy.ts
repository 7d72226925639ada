import { randomBytes } from 'node:crypto'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rm } from 'node:fs/promises'

/** What the proxy does to each connection. Replies are what the engine sends. */
export interface ProxyFault {
  /** Milliseconds that each piece is held back, in both directions. */
  readonly latencyMs?: number
  /** Ends the connection after this many bytes of replies. */
  readonly cutAfterBytes?: number
  /** Passes this many bytes of replies, and then nothing, with the connection open. */
  readonly stallAfterBytes?: number
  /** Ends the connection as soon as replies contain this text, after it. */
  readonly cutAfterText?: string
  /** Answers every request with these bytes itself. */
  readonly garbage?: Buffer
  /** Closes each connection at once. */
  readonly refuse?: boolean
  /** Holds replies back until the engine pauses or this many bytes are there, and passes them in one piece. */
  readonly coalesceBytes?: number
  /** Changes a piece of a reply; the length must stay the same. */
  readonly rewrite?: (piece: Buffer) => Buffer
}

/** A byte proxy before the engine's socket that can misbehave. It knows nothing of HTTP, so hijacked connections pass. */
export interface SocketProxy {
  readonly socketPath: string
  /** Connections that were made to it so far. */
  readonly connections: number
  /** Ends the present connections. */
  cutAll(): void
  /** Stops listening: the socket is gone, as that of an engine that is down. */
  stop(): Promise<void>
  /** Listens again after {@link stop}. */
  start(): Promise<void>
}

/** Starts a proxy before the engine that listens at `target`. A client keeps connections alive, so each fault needs a proxy of its own. */
export async function startSocketProxy(target: string, fault: ProxyFault): Promise<SocketProxy> {
  const socketPath = join(tmpdir(), `proxy-${randomBytes(6).toString('hex')}.sock`)
  const sockets = new Set<Socket>()
  let connections = 0
  let server: Server | undefined

  const track = (socket: Socket): void => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    // What goes wrong on one side is passed on as the end of the other.
    socket.on('error', () => socket.destroy())
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
      track(client)
      pass(client, target, fault, track)
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
    cutAll,
    stop,
    start,
  }
}

function pass(client: Socket, target: string, fault: ProxyFault, track: (socket: Socket) => void): void {
  if (fault.refuse) {
    client.destroy()
    return
  }
  if (fault.garbage) {
    const { garbage } = fault
    client.once('data', () => client.end(garbage))
    client.resume()
    return
  }
  const engine = connect({ path: target, allowHalfOpen: true })
  track(engine)
  client.on('close', () => engine.destroy())
  engine.on('close', () => client.destroy())

  forward(client, engine, fault.latencyMs ?? 0, (piece) => piece)
  forward(engine, client, fault.latencyMs ?? 0, replyFilter(client, fault), fault.coalesceBytes)
  client.resume()
}

/** Passes pieces on with back-pressure, and the half-close. */
function forward(
  from: Socket,
  to: Socket,
  latencyMs: number,
  filter: (piece: Buffer) => Buffer,
  coalesceBytes = 0,
): void {
  let held: Buffer[] = []
  let heldBytes = 0
  let timer: NodeJS.Timeout | undefined
  const send = (): void => {
    clearTimeout(timer)
    timer = undefined
    const piece = filter(Buffer.concat(held))
    held = []
    heldBytes = 0
    if (piece.length > 0 && !to.destroyed && !to.write(piece)) {
      from.pause()
      to.once('drain', () => from.resume())
    }
  }
  from.on('data', (piece: Buffer) => {
    held.push(piece)
    heldBytes += piece.length
    if (latencyMs === 0 && heldBytes >= coalesceBytes) send()
    else timer ??= setTimeout(send, latencyMs === 0 ? COALESCE_MS : latencyMs)
  })
  from.on('end', () => {
    if (heldBytes > 0) send()
    to.end()
  })
}

/** How long replies are collected for one piece. */
const COALESCE_MS = 200

function replyFilter(client: Socket, fault: ProxyFault): (piece: Buffer) => Buffer {
  let passed = 0
  let text = ''
  return (piece) => {
    const changed = fault.rewrite?.(piece) ?? piece
    if (fault.cutAfterText !== undefined) {
      text += changed.toString('latin1')
      const at = text.indexOf(fault.cutAfterText)
      if (at !== -1) {
        const allowed = changed.subarray(0, Math.max(0, at + fault.cutAfterText.length - passed))
        client.end(allowed)
        return Buffer.alloc(0)
      }
    }
    const limit = fault.cutAfterBytes ?? fault.stallAfterBytes ?? Infinity
    const allowed = changed.subarray(0, Math.max(0, limit - passed))
    passed += changed.length
    if (fault.cutAfterBytes !== undefined && passed >= limit) {
      client.end(allowed)
      return Buffer.alloc(0)
    }
    return allowed
  }
}
