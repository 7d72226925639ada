import { afterAll } from 'vitest'
import { removeByLabel, useDocker } from '../helpers/docker.ts'
import { foreignContainer, rawDocker } from '../helpers/raw-docker.ts'
import { proxiedEngine } from '../helpers/proxied-engine.ts'
import { CALL_LABELS } from './engine-calls.ts'
import { engineContract, type EngineSubject } from './engine.contract.ts'

const docker = useDocker()

afterAll(() => removeByLabel(docker.engine, CALL_LABELS))

/** Bytes of `"PidsLimit":64`, overwritten by as many that say there is no limit. */
function withoutPidsLimit(piece: Buffer): Buffer {
  return Buffer.from(piece.toString('latin1').replace('"PidsLimit":64', '"PidsLimit":0 '), 'latin1')
}

engineContract('docker', (): EngineSubject => ({
  engine: docker.engine,
  labels: docker.labels,
  name: docker.name,
  spec: docker.spec,
  hung: () => proxiedEngine(docker.address, { stallAfterBytes: 0 }),
  weakened: () => proxiedEngine(docker.address, { rewrite: withoutPidsLimit }),
  kill: (id) => rawDocker(docker.address).getContainer(id).kill(),
  foreign: () => foreignContainer(docker.address, { labels: docker.labels }),
  cleanUp: () => removeByLabel(docker.engine, docker.labels),
}))
