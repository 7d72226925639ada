/** What one check of `doctor` found. */
export interface Finding {
  readonly check: string
  /** warn: it works, and something could be better · fail: sandboxes cannot be started, or not safely. */
  readonly status: 'ok' | 'warn' | 'fail'
  /** In a few words. */
  readonly found: string
  /** What to do; empty when all is well. */
  readonly advice: string
}

export function ok(check: string, found: string): Finding {
  return { check, status: 'ok', found, advice: '' }
}

export function warn(check: string, found: string, advice: string): Finding {
  return { check, status: 'warn', found, advice }
}

export function fail(check: string, found: string, advice: string): Finding {
  return { check, status: 'fail', found, advice }
}
