import { expect, test } from 'vitest'
import { measuredEngine } from '../../../src/engine/measured-engine.ts'
import { SandboxError } from '../../../src/errors/sandbox-error.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { createFakeEngine } from '../../helpers/fake-engine.ts'
import { recordingTelemetry } from '../../helpers/recording-telemetry.ts'

function setUp() {
  const engine = createFakeEngine({ images: ['a:1'] })
  const { telemetry, told } = recordingTelemetry()
  return { engine, told, measured: measuredEngine(engine, telemetry) }
}

test('every operation is told under its name at the seam, and gives what the driver gives', async () => {
  const { engine, measured, told } = setUp()
  await measured.ping()
  expect(await measured.info()).toEqual(await engine.info())
  expect(await measured.images.inspect('a:1')).toEqual(await engine.images.inspect('a:1'))
  expect(await measured.volumes.ensure('v', { x: '1' })).toEqual({ name: 'v', labels: { x: '1' } })
  expect(await measured.containers.list({})).toEqual([])
  const operations = ['ping', 'info', 'images.inspect', 'volumes.ensure', 'containers.list']
  expect(told).toEqual(operations.map((operation) => ['engineCall', operation, 'ok']))
})

test('no operation of the seam is left out', () => {
  const { engine, measured } = setUp()
  for (const group of ['containers', 'volumes', 'images'] as const) {
    expect(Object.keys(measured[group])).toEqual(Object.keys(engine[group]))
  }
  expect(Object.keys(measured).sort()).toEqual(
    ['driver', 'ping', 'info', 'containers', 'volumes', 'images', 'events', 'close'].sort(),
  )
})

test('a failure is told by its code and passed on as it is', async () => {
  const { engine, measured, told } = setUp()
  engine.fail('images.inspect', new SandboxError('engine_unreachable', 'It does not answer.'))
  engine.fail('ping', new TypeError('a bug'))
  await expectCode(measured.images.inspect('a:1'), 'engine_unreachable')
  await expect(measured.ping()).rejects.toThrow('a bug')
  expect(told).toEqual([
    ['engineCall', 'images.inspect', 'engine_unreachable'],
    ['engineCall', 'ping', 'internal'],
  ])
})
