import type { SupervisorClient } from '../supervisor/client.ts'

/**
 * How long one hold lasts, in milliseconds: all that a server which dies between the hold and the removal costs the next caller. Well above the
 * time between two renewals, also on a busy machine.
 */
export const HOLD_MS = 3000
const RENEW_MS = 1000

/**
 * Runs `work` (the removal of the container, usually) while the supervisor refuses new use by any server, if nobody has used the sandbox for
 * `minIdleMs`. The hold is short and renewed as long as `work` lasts, however slow the engine is: it ends soon after its server, whose work nobody
 * will finish. Resolves to whether the work was done; rejects as it does.
 */
export async function underHold(
  client: Pick<SupervisorClient, 'quiesce'>,
  minIdleMs: number,
  answerMs: number,
  work: () => Promise<void>,
): Promise<boolean> {
  const { ok } = await client.quiesce(minIdleMs, HOLD_MS, { deadlineMs: answerMs })
  if (!ok) return false
  // A supervisor that is gone needs no hold; what else is wrong with it shows in the work.
  const timer = setInterval(() => void client.quiesce(0, HOLD_MS, { deadlineMs: answerMs }).catch(() => {}), RENEW_MS)
  try {
    await work()
    return true
  } finally {
    clearInterval(timer)
  }
}
