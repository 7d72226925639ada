import { describeConfig } from '../config/describe.ts'
import type { LoadedConfig } from '../config/load.ts'
import { variableOf } from '../config/settings.ts'
import { type Output, printTable } from './output.ts'

/** `sandbox-mcp config`: the effective settings and where each comes from, secrets masked. */
export function showConfig(loaded: LoadedConfig, out: Output): void {
  const settings = describeConfig(loaded)
  if (out.json) return out.write(`${JSON.stringify(settings, undefined, 2)}\n`)
  printTable(
    out,
    ['SETTING', 'VALUE', 'SOURCE', 'VARIABLE'],
    settings.map((each) => [each.key, each.value || '(empty)', each.source, variableOf(each.key)]),
  )
}
