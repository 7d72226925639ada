import express, { type Router } from 'express'

/** What a scrape gets. */
export interface MetricsPage {
  readonly contentType: string
  text(): Promise<string>
}

/** `GET /metrics`, relative to where it is mounted: behind the scope `sandbox:admin`, since how a team works is not for everybody. */
export function metricsRoute(metrics: MetricsPage): Router {
  const router = express.Router()
  router.get('/', async (_request, response) => {
    const text = await metrics.text()
    response.setHeader('Content-Type', metrics.contentType)
    response.end(text)
  })
  return router
}
