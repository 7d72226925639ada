import { describe, expect, test } from 'vitest'
import { type Installation, useInstallation } from '../helpers/installation.ts'
import { holds } from '../load/limits.ts'
import { soak, SOAK_DEFAULTS, type SoakOptions } from '../load/soak.ts'

/** A short run of what `npm run soak` does for minutes: nothing is held against it. */
async function shortSoak({ engine, name }: Installation, options: Partial<SoakOptions>) {
  const short = { seconds: 20, burst: 8, pauseSeconds: 4, sampleSeconds: 1, ...options }
  const report = await soak({ ...SOAK_DEFAULTS, ...short }, { engine, installation: name })
  expect(report.faults).toEqual([])
  expect(report.findings.filter((finding) => !holds(finding))).toEqual([])
  return report
}

describe('one server', () => {
  const installation = useInstallation()

  test('serves users on a quarter of the slots without a lost file, a mixed-up answer or a leftover', async () => {
    const { tally, evictions, options } = await shortSoak(installation, { users: 20, slots: 5 })
    expect(tally.failed).toBe(0)
    // Most bursts found the sandbox asleep, so it was the life cycle that was tried.
    expect(evictions).toBeGreaterThan(options.users)
  }, 240_000)
})

describe('two servers of an installation', () => {
  const installation = useInstallation()

  test('serve the same users at once without a lost file, and neither removes what the other one uses', async () => {
    const { tally, evictions } = await shortSoak(installation, { users: 12, slots: 5, servers: 2 })
    expect(tally.failed).toBe(0)
    expect(evictions).toBeGreaterThan(0)
  }, 240_000)
})
