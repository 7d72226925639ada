import { describe, expect, test } from 'vitest'
import type { ContainerDetails, ContainerSpec, EffectiveProfile } from '../../../../src/engine/engine.ts'
import { LABEL } from '../../../../src/registry/identity.ts'
import { driftOf } from '../../../../src/registry/reconcile/drift.ts'
import { containerSpec, type SandboxPolicy, userPlace } from '../../../../src/registry/sandbox-spec.ts'
import { labIdentity, registryLab, TEST_POLICY } from '../../../helpers/registry-lab.ts'
import { wholeProfile } from '../../../helpers/whole-profile.ts'

const UID = 1_200_000
const { runtime } = await registryLab()
const ada = labIdentity('ada')

function specOf(policy: Partial<SandboxPolicy> = {}, digest = runtime.digest): ContainerSpec {
  const of = { ...runtime, digest }
  return containerSpec(userPlace(ada, ada.volumeName, UID, of), of, { ...TEST_POLICY, ...policy })
}

/** The container that a server made of a spec, as the engine tells of it. */
function madeOf(spec: ContainerSpec, effective: Partial<EffectiveProfile> = {}): ContainerDetails {
  return {
    id: 'id',
    name: spec.name,
    state: 'running',
    labels: spec.labels,
    image: spec.image,
    imageId: spec.image,
    startedAtMs: 1,
    exitCode: undefined,
    oomKilled: false,
    workDir: spec.workDir,
    env: [],
    effective: { ...wholeProfile(spec), ...effective },
  }
}

const NONE = { weaker: [], limits: undefined, outdated: [] }
const LATER = { sinceMs: TEST_POLICY.sinceMs + 1 }
const limits = (changed: Partial<SandboxPolicy['limits']>) => ({ limits: { ...TEST_POLICY.limits, ...changed } })

test('what was made with today’s settings has none', () => {
  expect(driftOf(madeOf(specOf()), specOf())).toEqual(NONE)
  expect(driftOf(madeOf(specOf()), specOf(LATER))).toEqual(NONE)
})

describe('a missing protection is a weakness for every server', () => {
  test.each<[string, Partial<EffectiveProfile>]>([
    ['readOnlyRoot', { readOnlyRoot: false }],
    ['seccomp', { seccomp: false }],
    ['user', { user: '0:0' }],
    ['networkMode', { networkMode: 'host' }],
    ['networkMode', { networkMode: 'bridge' }],
  ])('%s', (protection, effective) => {
    for (const wanted of [specOf(), specOf(LATER)]) {
      expect(driftOf(madeOf(specOf(), effective), wanted).weaker).toEqual([protection])
    }
  })

  test('but the network that a newer server’s operator allows is none, or two servers would replace each other’s sandboxes for ever', () => {
    const newer = madeOf(specOf({ ...LATER, network: 'bridge' }))
    expect(driftOf(newer, specOf())).toEqual(NONE)
    expect(driftOf(madeOf(specOf({ network: 'bridge' })), specOf(LATER)).weaker).toEqual(['networkMode'])
    const host = madeOf(specOf({ ...LATER, network: 'bridge' }), { networkMode: 'host' })
    expect(driftOf(host, specOf()).weaker).toEqual(['networkMode'])
  })
})

describe('settings of a newer server', () => {
  test('change limits in place, but less memory only by a new container', () => {
    const wanted = specOf({
      ...LATER,
      ...limits({ memoryBytes: TEST_POLICY.limits.memoryBytes * 2, cpus: 2, pids: 7 }),
    })
    expect(driftOf(madeOf(specOf()), wanted)).toEqual({
      weaker: [],
      limits: { memoryBytes: TEST_POLICY.limits.memoryBytes * 2, cpus: 2, pids: 7 },
      outdated: [],
    })
    const less = specOf({ ...LATER, ...limits({ memoryBytes: TEST_POLICY.limits.memoryBytes / 2 }) })
    expect(driftOf(madeOf(specOf()), less)).toEqual({ weaker: [], limits: undefined, outdated: ['memory'] })
  })

  test.each<[string, Partial<SandboxPolicy>]>([
    ['a network', { network: 'bridge' }],
    ['an OCI runtime', { ociRuntime: 'runsc' }],
    ['sizes', limits({ tmpBytes: 1 })],
    ['open files', limits({ openFiles: 10 })],
  ])('such as %s need a new container', (_, policy) => {
    expect(driftOf(madeOf(specOf()), specOf({ ...LATER, ...policy })).outdated).toEqual(['settings'])
  })

  test('such as another image of the runtime need a new container', () => {
    expect(driftOf(madeOf(specOf()), specOf(LATER, 'd2')).outdated).toEqual(['image'])
  })

  test('are not undone by an older server, nor changed again by one of the same age', () => {
    const made = madeOf(specOf({ ...LATER, ...limits({ cpus: 4, tmpBytes: 1 }), ociRuntime: 'runsc' }, 'd2'))
    expect(driftOf(made, specOf())).toEqual(NONE)
    expect(driftOf(made, specOf(LATER))).toEqual(NONE)
  })
})

test.each([undefined, '', 'soon', '1e400'])(
  'a container whose label of age is %j counts as older than any',
  (since) => {
    const spec = specOf()
    const { [LABEL.settingsSince]: _, ...others } = spec.labels
    const labels = since === undefined ? others : { ...others, [LABEL.settingsSince]: since }
    expect(driftOf(madeOf({ ...spec, labels }), specOf({}, 'd2')).outdated).toEqual(['image'])
  },
)

test('a container from before there was a label of its settings is judged by its network alone', () => {
  const spec = specOf(limits({ tmpBytes: 1 }))
  const { [LABEL.settings]: _, ...labels } = spec.labels
  expect(driftOf(madeOf({ ...spec, labels }), specOf(LATER))).toEqual(NONE)
  expect(driftOf(madeOf({ ...spec, labels }), specOf({ ...LATER, network: 'bridge' })).outdated).toEqual(['settings'])
})
