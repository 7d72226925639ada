import { constants } from 'node:os'

const NAMES = new Map<number, string>()
for (const [name, number] of Object.entries(constants.signals)) if (!NAMES.has(number)) NAMES.set(number, name)

/** "SIGKILL" for 9 (signal(7)); "SIG40" for a number without a name here. */
export function signalName(number: number): string {
  return NAMES.get(number) ?? `SIG${number}`
}

/** The signals that a caller may send by name. */
export const SENDABLE_SIGNALS = { int: 2, term: 15, kill: 9, hup: 1 } as const
export type SendableSignal = keyof typeof SENDABLE_SIGNALS
