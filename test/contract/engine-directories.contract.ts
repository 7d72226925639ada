import { describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../helpers/temporary-directory.ts'
import type { EngineSubject } from './engine.contract.ts'

/** The part of the contract about directories of the engine's machine as workspaces. */
export function describeDirectories(getSubject: () => EngineSubject): void {
  describe('a directory of the machine', () => {
    test('is the one mount, private, and told as it is in force', async () => {
      const { engine, spec } = getSubject()
      const source = temporaryDirectory()
      const { volume: _volume, ...without } = await spec({ uid: 20_001, gid: 20_002 })
      const { id } = await engine.containers.create({ ...without, bind: { source, mountPath: '/workspace' } })
      expect((await engine.containers.inspect(id))?.effective).toMatchObject({
        user: '20001:20002',
        mounts: [{ type: 'bind', name: source, target: '/workspace', readOnly: false, propagation: 'rprivate' }],
      })
    })
  })
}
