import { describe, expect, test } from 'vitest'
import { expectCode } from '../helpers/expect-code.ts'
import type { EngineSubject } from './engine.contract.ts'

/** The part of the contract about volumes. */
export function describeVolumes(getSubject: () => EngineSubject): void {
  describe('volumes', () => {
    test('keep the labels that they were made with', async () => {
      const { volumes } = getSubject().engine
      const name = getSubject().name('v')
      const labels = { ...getSubject().labels, color: 'red' }
      expect(await volumes.ensure(name, labels)).toEqual({ name, labels })
      expect(await volumes.ensure(name, { ...getSubject().labels, color: 'blue' })).toEqual({ name, labels })
      expect(await volumes.inspect(name)).toEqual({ name, labels })
    })

    test('are made once by many at the same time', async () => {
      const name = getSubject().name('v')
      await Promise.all(Array.from({ length: 10 }, () => getSubject().engine.volumes.ensure(name, getSubject().labels)))
      expect(await getSubject().engine.volumes.list(getSubject().labels)).toHaveLength(1)
    })

    test('are listed by all of the given labels', async () => {
      const { volumes } = getSubject().engine
      const name = getSubject().name('v')
      await volumes.ensure(name, { ...getSubject().labels, color: 'red' })
      await volumes.ensure(getSubject().name('v'), getSubject().labels)
      expect(await volumes.list(getSubject().labels)).toHaveLength(2)
      expect((await volumes.list({ ...getSubject().labels, color: 'red' })).map((volume) => volume.name)).toEqual([
        name,
      ])
    })

    test('take the options of the driver once, and none that it does not know', async () => {
      const { volumes } = getSubject().engine
      const name = getSubject().name('v')
      const { labels } = getSubject()
      const driverOptions = { type: 'tmpfs', device: 'tmpfs', o: 'size=1m' }
      expect(await volumes.ensure(name, labels, { driverOptions })).toEqual({ name, labels })
      expect(await volumes.ensure(name, labels, { driverOptions: { ...driverOptions, o: 'size=2m' } })).toEqual({
        name,
        labels,
      })
      const unknown = { driverOptions: { colour: 'red' } }
      await expectCode(volumes.ensure(getSubject().name('v'), labels, unknown), 'engine_failed')
    })

    test('outlive the container, are refused removal while in use, and are gone after it', async () => {
      const { containers, volumes } = getSubject().engine
      const spec = await getSubject().spec()
      const { id } = await containers.create(spec)
      await expectCode(volumes.remove(spec.volume.name), 'engine_failed')
      await containers.remove(id)
      expect(await volumes.inspect(spec.volume.name)).toEqual({ name: spec.volume.name, labels: getSubject().labels })
      await volumes.remove(spec.volume.name)
      expect(await volumes.inspect(spec.volume.name)).toBeUndefined()
      await expect(volumes.remove(spec.volume.name)).resolves.toBeUndefined()
    })
  })
}
