import { noTelemetry, type Telemetry } from '../../src/lib/telemetry.ts'

/** What was told, in order, by the name of the method. Times are left out: no test can know them. */
export type Told = readonly [method: keyof Telemetry, ...labels: unknown[]]

/** A telemetry that keeps what it is told. */
export function recordingTelemetry(): { readonly telemetry: Telemetry; readonly told: Told[] } {
  const told: Told[] = []
  const methods = Object.keys(noTelemetry) as (keyof Telemetry)[]
  const recorders = methods.map((method) => [
    method,
    (...args: unknown[]) => {
      const timed = method !== 'bytesTransferred' && typeof args.at(-1) === 'number'
      told.push([method, ...(timed ? args.slice(0, -1) : args)])
    },
  ])
  return { telemetry: Object.fromEntries(recorders) as Telemetry, told }
}
