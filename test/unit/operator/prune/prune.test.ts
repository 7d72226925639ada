import { describe, expect, test } from 'vitest'
import type { Leftover } from '../../../../src/operator/prune/leftover.ts'
import { prune } from '../../../../src/operator/prune/prune.ts'

function output(json = false) {
  let text = ''
  return { write: (more: string) => void (text += more), isTerminal: false, json, text: () => text }
}

function leftover(name: string, more: Partial<Leftover> = {}) {
  const removed: string[] = []
  const item: Leftover = {
    kind: 'ended containers',
    name,
    bytes: undefined,
    isSuspect: false,
    remove: () => {
      removed.push(name)
      return Promise.resolve(true)
    },
    ...more,
  }
  return { item, removed }
}

const source =
  (...items: Leftover[]) =>
  () =>
    Promise.resolve(items)

describe('prune', () => {
  test('removes nothing until the operator says so, and shows what would go, by kind', async () => {
    const out = output()
    const one = leftover('a')
    const two = leftover('b')
    const image = leftover('i', { kind: 'superseded images', bytes: 3 * 1024 ** 2 })
    const report = await prune({ confirmed: false }, { sources: [source(one.item, two.item), source(image.item)], out })
    expect([...one.removed, ...two.removed, ...image.removed]).toEqual([])
    expect(report.leftovers.map(({ gone }) => gone)).toEqual([false, false, false])
    expect(out.text().split('\n')).toEqual([
      'WHAT               FOUND  SIZE',
      'ended containers   2',
      'superseded images  1      3 MiB',
      '',
      'Nothing was removed. With --yes all of it goes; no user’s files are among it.',
      '',
    ])
  })

  test('removes what it found, and tells what turned out to be in use', async () => {
    const out = output()
    const free = leftover('a')
    const used = leftover('b', { remove: () => Promise.resolve(false) })
    await prune({ confirmed: true }, { sources: [source(free.item, used.item)], out })
    expect(free.removed).toEqual(['a'])
    expect(out.text()).toBe('WHAT              FOUND  REMOVED  SIZE\nended containers  2      1\n')
  })

  test('what a server may just be making goes only when a second look finds it again', async () => {
    const passing = leftover('passing', { kind: 'half-made containers', isSuspect: true })
    const lasting = leftover('lasting', { kind: 'half-made containers', isSuspect: true })
    const late = leftover('late', { kind: 'half-made containers', isSuspect: true })
    const looks = [
      [passing.item, lasting.item],
      [lasting.item, late.item],
    ]
    const sources = [() => Promise.resolve(looks.shift() ?? [])]
    await prune({ confirmed: true }, { sources, out: output(), secondLookMs: 1 })
    expect([passing.removed, lasting.removed, late.removed]).toEqual([[], ['lasting'], []])
  })

  test('--json is one document', async () => {
    const out = output(true)
    const image = leftover('i', { kind: 'superseded images', bytes: 5 })
    await prune({ confirmed: true }, { sources: [source(image.item, leftover('a').item)], out })
    expect(JSON.parse(out.text())).toEqual({
      removed: true,
      leftovers: [
        { kind: 'superseded images', name: 'i', bytes: 5, gone: true },
        { kind: 'ended containers', name: 'a', bytes: null, gone: true },
      ],
    })
  })

  test('nothing left over is said in a sentence', async () => {
    const out = output()
    await prune({ confirmed: true }, { sources: [], out })
    expect(out.text()).toBe('Nothing is left over.\n')
  })
})
