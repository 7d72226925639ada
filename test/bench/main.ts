import { writeFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { parseArgs } from 'node:util'
import { burst } from './suites/burst.ts'
import { cold } from './suites/cold.ts'
import { files } from './suites/files.ts'
import { flood } from './suites/flood.ts'
import { latency } from './suites/latency.ts'
import { memory } from './suites/memory.ts'
import { pool } from './suites/pool.ts'
import { commandsPerSecond } from './suites/throughput.ts'
import { transfer } from './suites/transfer.ts'
import { wake } from './suites/wake.ts'
import { openWorld, type World } from './world.ts'
import { printSuite, type SuiteResult } from './report.ts'

const SUITES: Readonly<Record<string, (world: World) => Promise<SuiteResult>>> = {
  latency,
  files,
  throughput: commandsPerSecond,
  flood,
  cold,
  burst,
  pool,
  memory,
  wake,
  transfer,
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'string' }, quick: { type: 'boolean', default: false } },
})
const names = positionals.length > 0 ? positionals : Object.keys(SUITES)
const world = await openWorld(values.quick)
const results: SuiteResult[] = []
try {
  for (const name of names) {
    const suite = SUITES[name]
    if (!suite) throw new Error(`no suite ${name}; there are ${Object.keys(SUITES).join(', ')}`)
    const result = await suite(world)
    results.push(result)
    printSuite(result)
  }
} finally {
  await world.close()
}
if (values.json) {
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, kernel: release(), node: process.version }
  writeFileSync(values.json, `${JSON.stringify({ machine, engine: world.engineInfo, results }, undefined, 2)}\n`)
}
