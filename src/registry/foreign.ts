import { SandboxError } from '../errors/sandbox-error.ts'
import { LABEL } from './identity.ts'

/** The error for something of our name that is not ours: it is left alone. */
export function foreign(what: string, name: string): SandboxError {
  return new SandboxError('engine_failed', `A ${what} named ${name} exists that this installation did not make.`, {
    hint: 'Remove or rename it, or choose another installation name.',
    details: { label: LABEL.installation },
  })
}
