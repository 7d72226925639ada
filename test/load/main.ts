import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { cpus, loadavg, release } from 'node:os'
import { parseArgs } from 'node:util'
import { createDockerEngine } from '../../src/engine/docker/docker-engine.ts'
import { findEngine, systemSources } from '../../src/engine/docker/connect.ts'
import { removeInstallation } from '../helpers/installation.ts'
import { asJson, hasPassed, printReport, progressLine } from './report.ts'
import { soak, SOAK_DEFAULTS, type SoakOptions } from './soak.ts'

/** `npm run soak`: see CONTRIBUTING.md. Exits with 1 when anything is held against the run, or it was interrupted. */

const NAMES = Object.keys(SOAK_DEFAULTS) as (keyof SoakOptions)[]
const flagOf = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
const values: Readonly<Record<string, string | boolean | undefined>> = parseArgs({
  options: {
    json: { type: 'string' },
    help: { type: 'boolean' },
    ...Object.fromEntries(NAMES.map((name) => [flagOf(name), { type: 'string' as const }])),
  },
}).values
if (values['help'] === true) {
  console.log(NAMES.map((name) => `--${flagOf(name).padEnd(16)} ${SOAK_DEFAULTS[name]}`).join('\n'))
  process.exit()
}
const options = Object.fromEntries(
  NAMES.map((name) => {
    const given = values[flagOf(name)]
    const value = given === undefined ? SOAK_DEFAULTS[name] : Number(given)
    if (!Number.isFinite(value) || value < 0) throw new Error(`--${flagOf(name)} takes a number, not ${String(given)}`)
    return [name, value]
  }),
) as unknown as SoakOptions

const installation = `soak-${randomBytes(4).toString('hex')}`
const engine = createDockerEngine({ address: findEngine(systemSources(undefined, process.env)) })
try {
  const report = await soak(options, { engine, installation }, (progress) => {
    if (process.stdout.isTTY) process.stdout.write(`\r\x1b[K${progressLine(progress)}`)
  })
  if (process.stdout.isTTY) process.stdout.write('\r\x1b[K')
  printReport(report)
  const machine = {
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    kernel: release(),
    node: process.version,
    load: loadavg(),
  }
  const file = values['json']
  if (typeof file === 'string') writeFileSync(file, `${JSON.stringify({ machine, ...asJson(report) }, undefined, 2)}\n`)
  process.exitCode = hasPassed(report) ? 0 : 1
} finally {
  await removeInstallation(engine, installation)
  await engine.close()
}
