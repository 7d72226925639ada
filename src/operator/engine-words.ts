import type { SandboxError } from '../errors/sandbox-error.ts'
import { visibleText } from '../lib/visible-text.ts'

const MAX_LENGTH = 500

/**
 * The reason that the container engine itself gave for an error, such as "Range of CPUs is from 0.01 to 2.00". For operators alone: it may hold paths and
 * names of the host. Undefined when it gave none.
 */
export function engineWords({ details }: SandboxError): string | undefined {
  const { engineText } = details
  if (typeof engineText !== 'string' || engineText === '') return undefined
  return visibleText(Buffer.from(engineText.slice(0, MAX_LENGTH))).trim()
}
