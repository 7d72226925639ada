import { describe, expect, test } from 'vitest'
import { toContainerBody } from '../../../../src/engine/docker/container-spec.ts'
import { MASKED_PATHS, READONLY_PATHS } from '../../../../src/engine/docker/hidden-paths.ts'
import { seccompProfile } from '../../../../src/engine/docker/seccomp.ts'
import { containerSpec } from '../../../helpers/specs.ts'

const IMAGE = { id: `sha256:${'a'.repeat(64)}`, env: ['PATH=/usr/bin', 'IMAGE_SECRET=x'] }
const body = toContainerBody(containerSpec({ name: 'box', labels: { owner: 'me' } }), IMAGE)

/** Fields of the API that open a sandbox. None may ever be sent, not even empty. */
const NEVER_SENT = [
  'Binds',
  'BlkioDeviceReadBps',
  'Cgroup',
  'CgroupParent',
  'ContainerIDFile',
  'CpuRealtimePeriod',
  'CpuRealtimeRuntime',
  'DeviceCgroupRules',
  'DeviceRequests',
  'Devices',
  'Dns',
  'ExtraHosts',
  'GroupAdd',
  'Links',
  'OomKillDisable',
  'PidMode',
  'PortBindings',
  'PublishAllPorts',
  'StorageOpt',
  'UTSMode',
  'UsernsMode',
  'VolumeDriver',
  'VolumesFrom',
]

describe('the create body', () => {
  test('is exactly this', () => {
    const SecurityOpt = body.HostConfig.SecurityOpt.map((option) =>
      option.startsWith('seccomp=') ? 'seccomp=…' : option,
    )
    expect({ ...body, HostConfig: { ...body.HostConfig, SecurityOpt } }).toMatchSnapshot()
  })

  test.each(NEVER_SENT)('has no %s', (field) => {
    expect(body.HostConfig).not.toHaveProperty(field)
    expect(body).not.toHaveProperty(field)
  })

  test('has no ports, no volumes by path and no health check of its own', () => {
    for (const field of [
      'ExposedPorts',
      'Volumes',
      'Healthcheck',
      'OnBuild',
      'Shell',
      'NetworkingConfig',
      'MacAddress',
    ]) {
      expect(body).not.toHaveProperty(field)
    }
  })

  test('hides and protects full lists of paths, never empty ones, which would unmask everything', () => {
    expect(body.HostConfig.MaskedPaths).toEqual(MASKED_PATHS)
    expect(body.HostConfig.MaskedPaths.length).toBeGreaterThan(20)
    expect(body.HostConfig.ReadonlyPaths).toEqual(READONLY_PATHS)
    expect(body.HostConfig.ReadonlyPaths).toContain('/proc/sys')
  })

  test('carries the seccomp profile itself', () => {
    const [profile] = body.HostConfig.SecurityOpt.filter((option) => option.startsWith('seccomp='))
    expect(JSON.parse(profile?.slice('seccomp='.length) ?? '')).toEqual(seccompProfile())
  })

  test('gives only the environment of the spec, and takes away what the image would add', () => {
    const env = { PATH: '/bin', EMPTY: '' }
    expect(toContainerBody(containerSpec({ name: 'box', env }), IMAGE).Env).toEqual([
      'PATH=/bin',
      'EMPTY=',
      'IMAGE_SECRET',
    ])
  })

  test('switches the network on for "bridge" alone, and nothing else with it', () => {
    const online = toContainerBody(containerSpec({ name: 'box', labels: { owner: 'me' }, network: 'bridge' }), IMAGE)
    expect(online).toEqual({
      ...body,
      NetworkDisabled: false,
      HostConfig: { ...body.HostConfig, NetworkMode: 'bridge' },
    })
  })

  test('names another OCI runtime when there is one', () => {
    expect(body.HostConfig).not.toHaveProperty('Runtime')
    const other = toContainerBody(containerSpec({ name: 'box', ociRuntime: 'runsc' }), IMAGE)
    expect(other.HostConfig).toHaveProperty('Runtime', 'runsc')
  })

  test('shares nothing that can be changed with the spec or with another body', () => {
    const spec = containerSpec({ name: 'box' })
    const first = toContainerBody(spec, IMAGE)
    first.HostConfig.MaskedPaths.length = 0
    first.Cmd.push('x')
    expect(toContainerBody(spec, IMAGE).HostConfig.MaskedPaths.length).toBeGreaterThan(20)
    expect(spec.command).not.toContain('x')
  })
})

test('without a volume and on another network all protections stay, and nothing is mounted', () => {
  const { volume: _, ...spec } = {
    ...containerSpec({ name: 'box', labels: { owner: 'me' } }),
    network: 'host' as const,
  }
  const { NetworkDisabled, HostConfig, ...rest } = toContainerBody(spec, IMAGE)
  expect(NetworkDisabled).toBe(false)
  expect({ ...rest, NetworkDisabled: true, HostConfig: { ...HostConfig, NetworkMode: 'none', Mounts: [] } }).toEqual({
    ...body,
    HostConfig: { ...body.HostConfig, Mounts: [] },
  })
  expect(HostConfig).toMatchObject({ NetworkMode: 'host', Mounts: [] })
})

test('a directory of the host is mounted alone and privately, in place of the volume', () => {
  const { volume: _volume, ...rest } = containerSpec({ name: 'box' })
  const bound = toContainerBody({ ...rest, gid: 100, bind: { source: '/srv/ada', mountPath: '/workspace' } }, IMAGE)
  expect(bound.User).toBe('20001:100')
  expect(bound.HostConfig.Mounts).toEqual([
    {
      Type: 'bind',
      Source: '/srv/ada',
      Target: '/workspace',
      ReadOnly: false,
      BindOptions: { Propagation: 'rprivate', NonRecursive: true },
    },
  ])
})
