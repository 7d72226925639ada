import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { loadConfig } from '../../../src/config/load.ts'
import { ROOT } from '../../helpers/start-server.ts'

/** The keys that the file uses, as the Compose Specification has them (github.com/compose-spec/compose-spec, 05-services.md); no others. */
const Compose = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9_-]*$/),
  services: z.strictObject({
    server: z.strictObject({
      image: z.string(),
      build: z.strictObject({
        context: z.string(),
        dockerfile: z.string(),
        args: z.record(z.string(), z.string()),
      }),
      restart: z.enum(['no', 'always', 'on-failure', 'unless-stopped']),
      stop_grace_period: z.string().regex(/^\d+s$/),
      ports: z.array(z.string()),
      environment: z.record(z.string(), z.string()),
      volumes: z.array(z.string()),
      group_add: z.array(z.string()),
      read_only: z.boolean(),
      tmpfs: z.array(z.string()),
      cap_drop: z.array(z.string()),
      security_opt: z.array(z.string()),
      pids_limit: z.number(),
      mem_limit: z.string(),
      logging: z.strictObject({ driver: z.string(), options: z.record(z.string(), z.string()) }),
    }),
  }),
  volumes: z.record(z.string(), z.null()),
})

const DEPLOY = join(ROOT, 'deploy')
const compose = Compose.parse(parse(readFileSync(join(DEPLOY, 'compose.yaml'), 'utf8')))
const { server } = compose.services
const dockerfile = readFileSync(join(DEPLOY, 'Dockerfile'), 'utf8').replaceAll('\\\n', ' ')

/** The arguments of an instruction, wherever it stands. */
function instructions(name: string): string[] {
  return [...dockerfile.matchAll(new RegExp(`^${name} +(.*)$`, 'gm'))].map(([, rest = '']) => rest.trim())
}

/** `${NAME:-default}` → its default, as compose has it when the variable is not set. */
function unset(text: string): string {
  return text.replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1')
}

describe('the server for a team', () => {
  // The socket is root: whatever else the container could do is not to be had for nothing.
  test('gets the engine’s socket and a place for tokens, and no capability, new privilege or writable root', () => {
    expect(server.volumes).toEqual(['/var/run/docker.sock:/var/run/docker.sock', 'tokens:/data'])
    expect(Object.keys(compose.volumes)).toEqual(['tokens'])
    expect(server).toMatchObject({
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
    })
    expect(instructions('USER').at(-1)).toMatch(/^[1-9]\d*:[1-9]\d*$/)
    for (const mount of server.tmpfs) expect(mount).toMatch(/nosuid,nodev/)
  })

  // Tokens in the clear: docker publishes on all addresses, past the host's firewall, unless it is told one.
  test('is reached from this machine alone, until somebody puts TLS in front', () => {
    expect(server.ports.map(unset)).toEqual(['127.0.0.1:8080:8080'])
  })

  test('is configured by settings that exist, and asks for tokens', () => {
    const image = Object.fromEntries(
      instructions('ENV').flatMap((line) => line.split(/\s+/).map((pair) => pair.split('=', 2) as [string, string])),
    )
    const env = { ...image, ...server.environment }
    const given = Object.keys(env).filter((name) => name.startsWith('SANDBOX_'))
    const { config, origin } = loadConfig({
      flags: {},
      env: Object.fromEntries(Object.entries(env).map(([name, value]) => [name, unset(value)])),
    })
    const read = Object.values(origin).map(({ source }) => source)
    // An empty one counts as not set.
    const empty = given.filter((name) => unset(env[name] ?? '') === '')
    expect(read).toEqual(
      expect.arrayContaining(given.filter((name) => !empty.includes(name)).map((name) => `env ${name}`)),
    )
    expect(config).toMatchObject({ transport: 'http', auth: 'tokens', tokensFile: '/data/tokens.json', port: 8080 })
  })

  test('is made of files that are here, and that the engine is sent', () => {
    const ignore = readFileSync(join(ROOT, '.dockerignore'), 'utf8').split('\n')
    const sent = ignore.filter((line) => line.startsWith('!')).map((line) => line.slice(1))
    const copied = instructions('COPY')
      .filter((line) => !line.startsWith('--from='))
      .flatMap((line) => line.split(/\s+/).slice(0, -1))
    expect(copied.length).toBeGreaterThan(5)
    expect(copied.filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
    expect(copied.filter((path) => !sent.includes(path))).toEqual([])
  })
})
