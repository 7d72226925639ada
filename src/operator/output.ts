import { styleText } from 'node:util'
import Table from 'cli-table3'

/** Where an operator's command prints, and how. */
export interface Output {
  write(text: string): void
  /** True on a terminal: colours and live lines are welcome. */
  readonly isTerminal: boolean
  /** True for `--json`: one JSON document and nothing else. */
  readonly json: boolean
}

const NO_LINES = Object.fromEntries(
  ['top', 'bottom', 'mid', 'left', 'right'].flatMap((side) =>
    [side, `${side}-mid`, `${side}-left`, `${side}-right`].map((name) => [name, '']),
  ),
)

/** Prints aligned columns without lines, the heading bold on a terminal. */
export function printTable(out: Output, heading: readonly string[], rows: readonly (readonly string[])[]): void {
  const table = new Table({
    head: heading.map((title) => emphasised(out, title)),
    chars: { ...NO_LINES, middle: '' },
    style: { head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': 2 },
  })
  table.push(...rows.map((row) => [...row]))
  const lines = table.toString().split('\n')
  out.write(`${lines.map((line) => line.trimEnd()).join('\n')}\n`)
}

/** Bold on a terminal, plain elsewhere. */
export function emphasised(out: Output, text: string): string {
  // Whether it is a terminal is the caller's finding, not that of process.stdout.
  return out.isTerminal ? styleText('bold', text, { validateStream: false }) : text
}
