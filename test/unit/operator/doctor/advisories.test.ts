import { expect, test } from 'vitest'
import { knownVulnerabilities } from '../../../../src/operator/doctor/advisories.ts'

test.each([
  ['1.1.11', 'CVE-2024-21626, CVE-2025-31133'],
  ['1.1.12', 'CVE-2025-31133'],
  ['1.1.5+ds1', 'CVE-2024-21626'],
  ['1.2.7', 'CVE-2025-31133'],
  ['1.3.2', 'CVE-2025-31133'],
])('runc %s has %s', (version, id) => {
  const [finding] = knownVulnerabilities({ runc: version })
  expect(finding).toMatchObject({ check: 'runc', status: 'warn', found: expect.stringContaining(id) })
})

test.each(['1.2.8', '1.3.3', '1.4.0'])('runc %s has none', (version) => {
  expect(knownVulnerabilities({ runc: version })).toEqual([{ check: 'runc', status: 'ok', found: version, advice: '' }])
})

test('parts without an advisory, and versions that are none, are passed over', () => {
  expect(knownVulnerabilities({ 'docker-init': '0.19.0', runc: 'unknown' })).toEqual([])
})
