import { expect } from 'vitest'
import type { ContainerEvent, Containers, Engine, Labels } from '../../src/engine/engine.ts'

/** The events of a watch that has begun. */
export interface EventLog {
  readonly events: ContainerEvent[]
  /** How often the engine was there again after a cut. */
  reconnected(): number
  /** Resolves when the iteration has ended. */
  readonly ended: Promise<void>
}

/**
 * Follows the events of containers with these labels, and returns when the subscription, a request of its own, is in force and
 * everything from before has arrived: `events` is then empty.
 *
 * @param watched a running container with the labels
 * @param marker a container with the labels that was not started yet; its start tells that all before has come
 */
export async function followEvents(
  watcher: Pick<Engine, 'events'>,
  containers: Containers,
  labels: Labels,
  signal: AbortSignal,
  { watched, marker }: { readonly watched: string; readonly marker: string },
): Promise<EventLog> {
  const events: ContainerEvent[] = []
  let reconnections = 0
  const ended = (async () => {
    for await (const event of watcher.events(labels, signal)) {
      if (event.type === 'reconnected') reconnections++
      else events.push(event)
    }
  })()
  await expect
    .poll(async () => {
      await containers.pause(watched)
      await containers.unpause(watched)
      return events.length
    })
    .toBeGreaterThan(0)
  await containers.start(marker)
  await expect.poll(() => events.some(({ containerId }) => containerId === marker)).toBe(true)
  events.length = 0
  return { events, reconnected: () => reconnections, ended }
}
