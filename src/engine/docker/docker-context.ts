import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import { SandboxError } from '../../errors/sandbox-error.ts'
import { readTls, type ConnectSources, type EngineAddress } from './engine-address.ts'
import { addressFromUrl } from './engine-url.ts'

const ConfigFile = z.object({ currentContext: z.string().optional() })
const MetaFile = z.object({
  Endpoints: z.object({ docker: z.object({ Host: z.string() }) }),
})

/**
 * The engine of the docker command line's current context: DOCKER_CONTEXT, or `currentContext` of config.json. The store has
 * one directory per context, named by the SHA-256 of the context's name: contexts/meta/<hash>/meta.json holds the address,
 * contexts/tls/<hash>/docker/ the certificates. https://docs.docker.com/engine/manage-resources/contexts/
 */
export function dockerContext({ env, homeDir }: ConnectSources): EngineAddress | undefined {
  const directory = env['DOCKER_CONFIG'] ?? join(homeDir, '.docker')
  const name = env['DOCKER_CONTEXT'] ?? readJson(join(directory, 'config.json'), ConfigFile)?.currentContext
  // "default" stands for DOCKER_HOST or the standard socket, which other strategies look at.
  if (!name || name === 'default') return undefined

  const hash = createHash('sha256').update(name).digest('hex')
  const meta = readJson(join(directory, 'contexts/meta', hash, 'meta.json'), MetaFile)
  if (!meta) {
    throw new SandboxError(
      'config_invalid',
      `The docker context ${JSON.stringify(name)} is chosen but does not exist.`,
      {
        hint: 'Choose another one with `docker context use`, or set the engine address explicitly.',
      },
    )
  }
  const tlsDirectory = join(directory, 'contexts/tls', hash, 'docker')
  const tls = existsSync(tlsDirectory) ? readTls(tlsDirectory) : undefined
  const source = `docker context ${JSON.stringify(name)}`
  return addressFromUrl(meta.Endpoints.docker.Host, { source, env, homeDir, tls })
}

function readJson<T>(path: string, schema: z.ZodType<T>): T | undefined {
  if (!existsSync(path)) return undefined
  try {
    return schema.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch (error) {
    throw new SandboxError('config_invalid', 'A configuration file of the docker command line cannot be read.', {
      details: { path },
      cause: error,
    })
  }
}
