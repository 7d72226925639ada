import { onTestFinished } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { createAuthenticator } from '../../src/http/auth/create.ts'
import { createHttpFront, type HttpFrontDeps } from '../../src/http/server.ts'
import { silentLogger } from '../../src/lib/logger.ts'

export interface FrontOptions extends Partial<Omit<HttpFrontDeps, 'config'>> {
  /** Settings by flag, as an operator gives them. */
  readonly flags?: Readonly<Record<string, string>>
}

/** An HTTP front that listens on a free port of loopback until the test ends. */
export async function startFront({ flags = {}, ...deps }: FrontOptions = {}): Promise<URL> {
  const { config } = loadConfig({ flags: { port: '0', ...flags }, env: {} })
  const logger = deps.logger ?? silentLogger
  const authenticator = deps.authenticator ?? (await createAuthenticator(config, logger))
  const front = createHttpFront({ ...deps, logger, config, authenticator })
  const address = await front.listen()
  onTestFinished(() => front.close(0))
  return address
}
