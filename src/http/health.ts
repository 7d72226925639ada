import express, { type Router } from 'express'
import { respondJson } from './present.ts'
import { Readiness, type ReadinessCheck } from './readiness.ts'

export interface HealthDeps {
  /** By the names under which they are told. */
  readonly checks: Readonly<Record<string, ReadinessCheck>>
  /** What is told with them and makes nobody unready: with a full disk, too, users read and delete. */
  readonly warnings?: Readonly<Record<string, ReadinessCheck>>
  /** True from when the server takes no new work: a load balancer sends its clients elsewhere. */
  readonly isStopping: () => boolean
}

/**
 * What an orchestrator asks, without a credential: `GET /healthz` (does the process live: it is to be restarted otherwise) and `GET
 * /readyz` (can it serve: 200, or 503 with what fails). Neither tells anything of users, sandboxes or the host.
 */
export function healthRoutes({ checks, warnings = {}, isStopping }: HealthDeps): Router {
  const readiness = new Readiness(checks, warnings)
  const router = express.Router()
  router.get('/healthz', (_request, response) => respondJson(response, 200, { status: 'ok' }))
  router.get('/readyz', async (_request, response) => {
    if (isStopping()) return respondJson(response, 503, { status: 'stopping' })
    const { ready, checks: found } = await readiness.report()
    const failed = Object.keys(checks).filter((name) => found[name] !== 'ok')
    if (ready) respondJson(response, 200, { status: 'ready', checks: found })
    else respondJson(response, 503, { status: 'not ready', failed, checks: found })
  })
  return router
}
