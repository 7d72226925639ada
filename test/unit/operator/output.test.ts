import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/load.ts'
import { showConfig } from '../../../src/operator/config.ts'
import { emphasised, type Output, printTable } from '../../../src/operator/output.ts'

function recorded(kind: { isTerminal?: boolean; json?: boolean } = {}): Output & { text: () => string } {
  let text = ''
  return {
    isTerminal: false,
    json: false,
    ...kind,
    write: (piece) => void (text += piece),
    text: () => text,
  }
}

describe('a table', () => {
  test('is aligned, has no lines and no spaces at the ends of its rows', () => {
    const out = recorded()
    printTable(
      out,
      ['NAME', 'B'],
      [
        ['a', 'long value'],
        ['longer', ''],
      ],
    )
    expect(out.text()).toBe('NAME    B\na       long value\nlonger\n')
  })

  test('has a bold heading on a terminal only', () => {
    expect(emphasised(recorded({ isTerminal: true }), 'X')).toBe('\x1b[1mX\x1b[22m')
    expect(emphasised(recorded(), 'X')).toBe('X')
  })

  test('without rows is its heading', () => {
    const out = recorded()
    printTable(out, ['NAME', 'B'], [])
    expect(out.text()).toBe('NAME  B\n')
  })
})

describe('the effective settings', () => {
  const loaded = loadConfig({ flags: { engine: 'ssh://u:secret@h' }, env: { SANDBOX_CPUS: '2' } })

  test('are printed with source and variable, secrets masked', () => {
    const out = recorded()
    showConfig(loaded, out)
    expect(out.text()).toMatch(/^cpus +2 +env SANDBOX_CPUS +SANDBOX_CPUS$/m)
    expect(out.text()).toMatch(/^engine +ssh:\/\/u:\*\*\*@h +flag --engine +SANDBOX_ENGINE$/m)
    expect(out.text()).toMatch(/^ociRuntime +\(empty\) +default/m)
  })

  test('are one JSON document with --json', () => {
    const out = recorded({ json: true })
    showConfig(loaded, out)
    expect(JSON.parse(out.text())).toContainEqual({ key: 'cpus', value: '2', source: 'env SANDBOX_CPUS' })
    expect(out.text()).not.toContain('secret@')
  })
})
