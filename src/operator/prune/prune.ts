import { setTimeout as delay } from 'node:timers/promises'
import { formatBytes } from '../../lib/units.ts'
import { type Output, printTable } from '../output.ts'
import type { FindLeftovers, Leftover, LeftoverKind } from './leftover.ts'

export interface PruneArgs {
  /** The operator has said that what is found may go. */
  readonly confirmed: boolean
}

export interface PruneDeps {
  /** Where leftovers are found; asked twice when one of them may just be in the making. */
  readonly sources: readonly FindLeftovers[]
  readonly out: Output
  /** Milliseconds between the two looks. */
  readonly secondLookMs?: number
}

/** What `prune --json` prints. */
export interface PruneReport {
  /** False: nothing was removed, this is what would go. */
  readonly removed: boolean
  readonly leftovers: readonly {
    readonly kind: LeftoverKind
    readonly name: string
    /** null where nobody knows. */
    readonly bytes: number | null
    /** It went; false also when it turned out to be in use. */
    readonly gone: boolean
  }[]
}

/** Longer than it takes to make a sandbox. */
const SECOND_LOOK_MS = 10_000

/**
 * `sandbox-mcp prune`: shows what ended servers, calls and sessions left behind; with `--yes` removes it. A workspace with a user's files is
 * never among it, whatever became of its container: files go with `destroy` alone, which names their user.
 */
export async function prune({ confirmed }: PruneArgs, deps: PruneDeps): Promise<PruneReport> {
  const { out } = deps
  const found = await findLeftovers(deps)
  const leftovers: { readonly leftover: Leftover; readonly gone: boolean }[] = []
  // One after the other: removing is heavy work for an engine.
  for (const leftover of found) leftovers.push({ leftover, gone: confirmed && (await leftover.remove()) })
  const report: PruneReport = {
    removed: confirmed,
    leftovers: leftovers.map(({ leftover: { kind, name, bytes }, gone }) => ({
      kind,
      name,
      bytes: bytes ?? null,
      gone,
    })),
  }
  if (out.json) out.write(`${JSON.stringify(report, undefined, 2)}\n`)
  else print(out, report)
  return report
}

async function findLeftovers({ sources, secondLookMs = SECOND_LOOK_MS }: PruneDeps): Promise<readonly Leftover[]> {
  const first = await look(sources)
  if (!first.some(({ isSuspect }) => isSuspect)) return first
  const seen = new Set(first.map(keyOf))
  await delay(secondLookMs)
  return (await look(sources)).filter((each) => !each.isSuspect || seen.has(keyOf(each)))
}

async function look(sources: readonly FindLeftovers[]): Promise<readonly Leftover[]> {
  return (await Promise.all(sources.map((find) => find()))).flat()
}

function keyOf({ kind, name }: Leftover): string {
  return `${kind} ${name}`
}

function print(out: Output, { removed, leftovers }: PruneReport): void {
  if (leftovers.length === 0) {
    out.write('Nothing is left over.\n')
    return
  }
  const kinds = [...new Set(leftovers.map(({ kind }) => kind))].sort()
  const rows = kinds.map((kind) => {
    const all = leftovers.filter((each) => each.kind === kind)
    return [kind, String(all.length), ...(removed ? [String(all.filter(({ gone }) => gone).length)] : []), sizeOf(all)]
  })
  printTable(out, ['WHAT', 'FOUND', ...(removed ? ['REMOVED'] : []), 'SIZE'], rows)
  if (!removed) out.write('\nNothing was removed. With --yes all of it goes; no user’s files are among it.\n')
}

/** Empty where nobody knows. */
function sizeOf(leftovers: PruneReport['leftovers']): string {
  const known = leftovers.flatMap(({ bytes }) => bytes ?? [])
  return known.length === 0 ? '' : formatBytes(known.reduce((sum, bytes) => sum + bytes, 0))
}
