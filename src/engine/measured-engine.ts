import { codeOf } from '../errors/sandbox-error.ts'
import type { Telemetry } from '../lib/telemetry.ts'
import type { Engine } from './engine.ts'

type Operation = (...args: readonly unknown[]) => Promise<unknown>

/**
 * An engine whose every operation is told to the telemetry, under its name at the seam ("ping", "containers.create"), whatever the
 * driver. Of a stream only its opening is measured, and events not at all: they last as long as the server.
 */
export function measuredEngine(engine: Engine, telemetry: Telemetry): Engine {
  const measured = async <T>(operation: string, run: () => Promise<T>): Promise<T> => {
    const started = performance.now()
    let outcome = 'ok'
    try {
      return await run()
    } catch (error) {
      outcome = codeOf(error)
      throw error
    } finally {
      telemetry.engineCall(operation, outcome, performance.now() - started)
    }
  }
  const group = <K extends 'containers' | 'volumes' | 'images'>(name: K): Engine[K] => {
    const operations = Object.entries(engine[name]) as [string, Operation][]
    const wrapped = operations.map(([method, operation]): [string, Operation] => [
      method,
      (...args) => measured(`${name}.${method}`, () => operation.apply(engine[name], [...args])),
    ])
    // The same methods, each with its own parameters and result.
    return Object.fromEntries(wrapped) as unknown as Engine[K]
  }
  return {
    driver: engine.driver,
    ping: (options) => measured('ping', () => engine.ping(options)),
    info: (options) => measured('info', () => engine.info(options)),
    containers: group('containers'),
    volumes: group('volumes'),
    images: group('images'),
    events: (filter, signal) => engine.events(filter, signal),
    close: () => engine.close(),
  }
}
