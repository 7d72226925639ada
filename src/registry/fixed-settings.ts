import { createHash } from 'node:crypto'
import type { ContainerSpec } from '../engine/engine.ts'

/** Of a SHA-256, enough that no two settings are taken for the same. */
const HEX_DIGITS = 16

/**
 * The operator's settings that a container keeps as long as it lives, as one short text: a label, so that every server can tell whether a
 * container was made with others. What an engine can change in place (memory, cpus, pids) is not in it, nor is the image, which has a label of its own.
 */
export function fixedSettings({
  limits,
  network,
  ociRuntime,
}: Pick<ContainerSpec, 'limits' | 'network'> & { readonly ociRuntime?: string | undefined }): string {
  const { tmpBytes, spoolBytes, shmBytes, fileBytes, openFiles } = limits
  const settings = [network, ociRuntime ?? '', tmpBytes, spoolBytes, shmBytes, fileBytes, openFiles]
  return createHash('sha256').update(JSON.stringify(settings)).digest('hex').slice(0, HEX_DIGITS)
}
