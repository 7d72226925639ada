import Table from 'cli-table3'
import type { Stats } from './measure.ts'

/** What a suite found: a table for people, and what it promises to hold. */
export interface SuiteResult {
  readonly suite: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly (string | number)[])[]
  /** Ratios and sizes that the project promises. */
  readonly promises: readonly Pledge[]
}

/** One promise, with the value of this run. */
export interface Pledge {
  readonly what: string
  readonly value: number
  readonly atLeast?: number
  readonly atMost?: number
}

export function holds({ value, atLeast, atMost }: Pledge): boolean {
  return (atLeast === undefined || value >= atLeast) && (atMost === undefined || value <= atMost)
}

export function printSuite({ suite, columns, rows, promises }: SuiteResult): void {
  const table = new Table({ head: [...columns], style: { head: [], border: [] } })
  table.push(...rows.map((row) => row.map((cell) => (typeof cell === 'number' ? round(cell) : cell))))
  console.log(`\n${suite}\n${table.toString()}`)
  for (const promise of promises) {
    const bound = promise.atLeast === undefined ? `at most ${promise.atMost}` : `at least ${promise.atLeast}`
    console.log(`  ${holds(promise) ? 'holds ' : 'BROKEN'}  ${promise.what}: ${round(promise.value)} (${bound})`)
  }
}

/** Columns of interleaved cases, each with its ratio to the first one. */
export const STATS_COLUMNS = ['case', 'n', 'median ms', 'p95 ms', 'min ms', 'x first']

export function statsRows(stats: readonly Stats[]): (string | number)[][] {
  const first = stats[0]?.medianMs ?? Number.NaN
  return stats.map((each) => [each.name, each.count, each.medianMs, each.p95Ms, each.minMs, each.medianMs / first])
}

export function medianOf(stats: readonly Stats[], name: string): number {
  const found = stats.find((each) => each.name === name)
  if (!found) throw new Error(`no case ${name}`)
  return found.medianMs
}

function round(value: number): string {
  if (!Number.isFinite(value)) return '–'
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(Math.abs(value) >= 10 ? 1 : 2)
}
