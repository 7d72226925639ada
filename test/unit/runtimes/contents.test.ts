import { expect, test } from 'vitest'
import { contentsFromLabel, parseMeasurement } from '../../../src/runtimes/contents.ts'

const LINES =
  'os\tname\tDebian 12\nprogram\tpython3\t3.11.2\npip\tnumpy\t2.1.0\napt\tgit\t1:2.39\nnpm\t@types/node\t24.0.0\ncargo\tripgrep\t14.1.1\n'

test('a measurement is what the image’s programs printed, and comes back from its label', () => {
  const contents = parseMeasurement(LINES)
  expect(contents).toEqual({
    os: 'Debian 12',
    programs: { python3: '3.11.2' },
    packages: {
      pip: { numpy: '2.1.0' },
      apt: { git: '1:2.39' },
      npm: { '@types/node': '24.0.0' },
      cargo: { ripgrep: '14.1.1' },
    },
  })
  expect(contentsFromLabel(JSON.stringify(contents))).toEqual(contents)
})

test('lines of another form are left out, and what a terminal would obey is made visible', () => {
  const { programs, packages, os } = parseMeasurement(
    'x\nprogram\tonly\nsecret\ta\tb\nprogram\tnode\t1\u001b]0;x\u0007\u202e\n',
  )
  expect({ packages, os }).toEqual({ packages: {}, os: undefined })
  expect(programs['node']).toMatch(/^1[ -~]*$/)
})

test.each([undefined, '', '{', '[]', '{"programs":1}', '{"programs":{"a":1},"packages":{}}'])(
  'the label %j says nothing',
  (label) => {
    expect(contentsFromLabel(label)).toBeUndefined()
  },
)
