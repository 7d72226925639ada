import { SandboxError } from '../../errors/sandbox-error.ts'

/** The archive is not one that this program wrote, or not as it wrote it. `what` names the part that is wrong, never a name from inside. */
export function badArchive(what: string): SandboxError {
  return new SandboxError('backup_damaged', `The archive is damaged, or of another kind: ${what}.`)
}
