import { createDockerEngine, type DockerEngine } from '../../src/engine/docker/docker-engine.ts'
import type { EngineAddress } from '../../src/engine/docker/engine-address.ts'
import { startSocketProxy, type ProxyFault, type SocketProxy } from './socket-proxy.ts'

/** A client that reaches the engine through a proxy of its own, and so has no connection from before. */
export interface ProxiedEngine {
  readonly engine: DockerEngine
  readonly proxy: SocketProxy
  close(): Promise<void>
}

/** Reaches the engine at `address`, which must be a unix socket, through a proxy with this fault. */
export async function proxiedEngine(address: EngineAddress, fault: ProxyFault): Promise<ProxiedEngine> {
  if (address.socketPath === undefined) throw new Error('these tests need an engine that is reached by a unix socket')
  const proxy = await startSocketProxy(address.socketPath, fault)
  const engine = createDockerEngine({ address: { source: 'test', socketPath: proxy.socketPath } })
  return {
    engine,
    proxy,
    async close() {
      await engine.close()
      await proxy.stop()
    },
  }
}
