import { describe, expect, test } from 'vitest'
import { followEvents } from '../helpers/event-log.ts'
import type { EngineSubject } from './engine.contract.ts'

/** The part of the contract about events. */
export function describeEvents(getSubject: () => EngineSubject): void {
  describe('events', () => {
    test('tell what happens to containers with the label, in order, until the signal fires', async () => {
      const { engine, labels, spec, kill } = getSubject()
      const { containers } = engine
      const stop = new AbortController()
      const watched = { ...labels, watched: 'yes' }
      const { id } = await containers.create(await spec({ labels: watched }))
      const marker = await containers.create(await spec({ labels: watched }))
      const other = await containers.create(await spec())
      await containers.start(id)
      const { events, ended } = await followEvents(engine, containers, watched, stop.signal, {
        watched: id,
        marker: marker.id,
      })

      await containers.start(other.id)
      await containers.pause(id)
      await containers.unpause(id)
      await kill(id)
      await containers.remove(id)
      await expect.poll(() => events.map(({ type }) => type)).toEqual(['pause', 'unpause', 'die', 'destroy'])
      for (const event of events) {
        expect(event).toMatchObject({ containerId: id, labels: watched })
        expect(event.timeMs).toBeGreaterThan(1_600_000_000_000)
      }
      stop.abort()
      await expect(ended).resolves.toBeUndefined()
    })
  })
}
