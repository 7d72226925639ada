import { expect, test } from 'vitest'
import { ContentModel, parseDigests, sha256 } from '../../load/content-model.ts'

const digestOf = (text: string) => sha256(Buffer.from(text))

test('a workspace that holds what it has to shows no difference', () => {
  const model = new ContentModel()
  model.put('a', 'one\n')
  model.append('a', 'two\n')
  model.append('b', 'three')
  expect(
    model.differences(
      new Map([
        ['a', digestOf('one\ntwo\n')],
        ['b', digestOf('three')],
      ]),
    ),
  ).toEqual([])
})

test('a lost file, an altered one and one that nobody made are told, each by its name', () => {
  const model = new ContentModel()
  for (const path of ['lost', 'altered', 'whole']) model.put(path, path)
  const found = new Map([
    ['altered', digestOf('other')],
    ['whole', digestOf('whole')],
    ['new', digestOf('new')],
  ])
  expect(model.differences(found)).toEqual([
    { path: 'lost', how: 'lost' },
    { path: 'altered', how: 'altered' },
    { path: 'new', how: 'foreign' },
  ])
})

test('a path whose change has failed is neither lost nor foreign', () => {
  const model = new ContentModel()
  model.put('a', 'x')
  model.giveUp('a')
  expect(model.differences(new Map())).toEqual([])
  expect(model.differences(new Map([['a', digestOf('y')]]))).toEqual([])
})

test('lines of sha256sum become paths, and anything else is refused', () => {
  const digest = digestOf('x')
  expect(parseDigests(`${digest}  ./in/a b\n${digest} *c\n`)).toEqual(
    new Map([
      ['in/a b', digest],
      ['c', digest],
    ]),
  )
  expect(() => parseDigests('[1,024 bytes omitted]\n')).toThrow('not a line of sha256sum')
})
