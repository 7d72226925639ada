import type { Engine } from '../engine/engine.ts'
import { SandboxError } from '../errors/sandbox-error.ts'
import type { SandboxIdentity } from '../registry/identity.ts'
import { removeEverything } from '../registry/take-down.ts'
import type { Output } from './output.ts'
import { findSandbox } from './sandboxes.ts'

export interface DestroyArgs {
  /** The operator has said that the files may go. */
  readonly confirmed: boolean
}

export interface DestroyDeps {
  readonly engine: Engine
  readonly out: Output
}

/**
 * `sandbox-mcp destroy USER --yes`: removes a user's container and files for good, and what they chose. Without `--yes` nothing is
 * changed. A user who calls again starts with an empty workspace.
 */
export async function destroySandbox(
  identity: SandboxIdentity,
  { confirmed }: DestroyArgs,
  { engine, out }: DestroyDeps,
): Promise<void> {
  const { state, volumeName } = await findSandbox(engine, identity)
  const id = `id:${identity.userHash}`
  if (!confirmed) {
    const files = volumeName === undefined ? 'no files' : `the volume ${volumeName} with all files`
    throw new SandboxError('invalid_argument', `${id} (${state}) would lose its container and ${files} for good.`, {
      hint: 'Add --yes to do that.',
    })
  }
  await removeEverything(engine, identity)
  if (out.json) out.write(`${JSON.stringify({ id, destroyed: true }, undefined, 2)}\n`)
  else out.write(`${id} is destroyed: container and files are gone.\n`)
}
