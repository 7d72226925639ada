import { createDockerEngine } from '../../src/engine/docker/docker-engine.ts'
import { removeByLabel, useDocker } from '../helpers/docker.ts'
import { rawDocker } from '../helpers/raw-docker.ts'
import { startSocketProxy, type ProxyFault } from '../helpers/socket-proxy.ts'
import { engineContract, type EngineSubject } from './engine.contract.ts'

const docker = useDocker()

/** The engine behind a proxy with a fault. */
async function through(fault: ProxyFault) {
  const { socketPath } = docker.address
  if (socketPath === undefined) throw new Error('these tests need an engine that is reached by a unix socket')
  const proxy = await startSocketProxy(socketPath)
  proxy.fault(fault)
  const engine = createDockerEngine({ address: { source: 'test', socketPath: proxy.socketPath } })
  return {
    engine,
    async close() {
      await engine.close()
      await proxy.close()
    },
  }
}

/** Bytes of `"PidsLimit":64`, overwritten by as many that say there is no limit. */
function withoutPidsLimit(piece: Buffer): Buffer {
  return Buffer.from(piece.toString('latin1').replace('"PidsLimit":64', '"PidsLimit":0 '), 'latin1')
}

engineContract('docker', (): EngineSubject => ({
  engine: docker.engine,
  labels: docker.labels,
  name: docker.name,
  spec: docker.spec,
  hung: () => through({ stallAfterBytes: 0 }),
  weakened: () => through({ rewrite: withoutPidsLimit }),
  kill: (id) => rawDocker(docker.address).getContainer(id).kill(),
  cleanUp: () => removeByLabel(docker.engine, docker.labels),
}))
