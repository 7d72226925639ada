import { expect, test } from 'vitest'
import type { EngineInfo } from '../../../../src/engine/engine.ts'
import { engineChecks } from '../../../../src/operator/doctor/engine-checks.ts'

const INFO: EngineInfo = {
  version: '28.0.0',
  apiVersion: '1.48',
  platform: 'linux/amd64',
  cpus: 4,
  memoryBytes: 8 * 1024 ** 3,
  userNamespaces: true,
  seccomp: true,
  ociRuntimes: ['runc', 'runsc'],
  components: {},
  cgroup: { version: '2', memory: true, swap: true, pids: true },
  liveRestore: true,
  rootDir: '/var/lib/docker',
}

function notOk(info: Partial<EngineInfo>, ociRuntime = ''): string[] {
  return engineChecks({ ...INFO, ...info }, ociRuntime)
    .filter(({ status }) => status !== 'ok')
    .map(({ check, status, found }) => `${status} ${check}: ${found}`)
}

test('an engine with everything passes', () => {
  expect(notOk({}, 'runsc')).toEqual([])
})

test('what sandboxes are refused without is a failure', () => {
  expect(notOk({ seccomp: false })).toEqual(['fail seccomp: off'])
  expect(notOk({ cgroup: { version: '1', memory: true, swap: false, pids: false } })).toEqual([
    'fail cgroup limits: version 1: no swap, no pids',
  ])
  expect(notOk({}, 'kata')).toEqual(['fail OCI runtime: kata is not one of runc, runsc'])
})

test('what would only be better is a warning', () => {
  expect(notOk({ userNamespaces: false, liveRestore: false })).toEqual([
    'warn user namespaces: off',
    'warn live restore: off',
  ])
})
