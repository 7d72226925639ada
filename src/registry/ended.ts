import type { Engine } from '../engine/engine.ts'
import type { Logger } from '../lib/logger.ts'
import { isAbandoned } from '../runtimes/helper-container.ts'
import { MEASURE_LABELS } from '../runtimes/measure.ts'
import { fetchLabels, LABEL } from './identity.ts'

/**
 * Removes what servers of this installation left behind that cannot be of use: containers that have ended, of sandboxes and of
 * downloads (those end with their server). Volumes stay. Resolves to how many went.
 */
export async function removeEnded(engine: Engine, installation: string, logger: Logger): Promise<number> {
  const of = (role: string) => engine.containers.list({ [LABEL.installation]: installation, [LABEL.role]: role })
  const sandboxes = [...(await of('sandbox')), ...(await of('slot'))]
  const helpers = [
    ...(await engine.containers.list(fetchLabels(installation))),
    ...(await engine.containers.list(MEASURE_LABELS)),
  ]
  const ended = [...sandboxes.filter(({ state }) => state === 'exited'), ...helpers.filter(isAbandoned)]
  await Promise.all(ended.map((container) => engine.containers.remove(container.id)))
  if (ended.length > 0) logger.info({ containers: ended.length }, 'removed ended containers; the files stay')
  return ended.length
}
