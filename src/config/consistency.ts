import type { Config } from './settings.ts'

/** What is wrong between settings that are each right by themselves, one text for each. */
export function inconsistencies(config: Config): string[] {
  const { freezeAfter, idleTimeout } = config
  const problems: string[] = []
  if (freezeAfter > 0 && idleTimeout > 0 && freezeAfter >= idleTimeout) {
    problems.push(
      'freezeAfter: give less than idleTimeout, or 0: a sandbox that is evicted first is never frozen. Both count from its last use.',
    )
  }
  return problems
}
