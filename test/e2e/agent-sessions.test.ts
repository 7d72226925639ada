import pngFormat from '@jimp/js-png'
import { imageSize } from 'image-size'
import { beforeAll, describe, expect, test } from 'vitest'
import { buildSettings, useBuildNetwork } from '../helpers/build-network.ts'
import { useInstallation } from '../helpers/installation.ts'
import { type Ran, run } from '../helpers/run-cli.ts'

const installation = useInstallation()
const network = useBuildNetwork()
/** A cold build of the data science runtime, where nothing built it before. */
const BUILD_MS = 900_000

interface Session {
  readonly language: string
  /** A module with a fault, and what mends it. */
  readonly module: string
  readonly content: string
  readonly fault: RegExp
  readonly old: string
  readonly mended: string
  /** Uses the module. */
  readonly code: string
}

const SESSIONS: readonly Session[] = [
  {
    language: 'python',
    module: 'prices.py',
    content: 'def total(prices):\n    return sum(prices\n',
    fault: /prices\.py:2/,
    old: 'sum(prices\n',
    mended: 'sum(prices)\n',
    code: 'from prices import total\nprint(total([1, 2, 3.5]))',
  },
  {
    language: 'javascript',
    module: 'prices.mjs',
    content: 'export const total = (prices) => prices.reduce((sum, each) => sum + each, 0\n',
    fault: /prices\.mjs:\d/,
    old: 'each, 0\n',
    mended: 'each, 0)\n',
    code: "import { total } from './prices.mjs'\nconsole.log(total([1, 2, 3.5]))",
  },
  {
    language: 'typescript',
    module: 'prices.ts',
    content: 'export const total = (prices: number[]): number => prices.reduce((sum, each) => sum + each, 0\n',
    fault: /prices\.ts:\d/,
    old: 'each, 0\n',
    mended: 'each, 0)\n',
    code: "import { total } from './prices.ts'\nconst prices: number[] = [1, 2, 3.5]\nconsole.log(total(prices))",
  },
  {
    language: 'bash',
    module: 'prices.sh',
    content: 'total() {\n  printf "%s\\n" "$@" | awk \'{ sum += $1 } END { print sum }\'\n',
    fault: /prices\.sh:\d/,
    old: "print sum }'\n",
    mended: "print sum }'\n}\n",
    code: '. ./prices.sh\ntotal 1 2 3.5',
  },
]

describe('an agent writes a module, is told of its fault, mends it and runs it', () => {
  const server = installation.useServer({ env: { SANDBOX_RUNTIME: 'polyglot' } })

  test.each(SESSIONS)('in $language', async ({ language, module, content, fault, old, mended, code }) => {
    const { structured } = await server().call('write_file', { path: module, content })
    expect(structured).toMatchObject({ action: 'created', bytes: Buffer.byteLength(content) })
    const checked = await server().call('check_syntax', { path: module })
    expect(checked.structured).toMatchObject({ valid: false, language })
    expect(checked.text).toMatch(fault)
    await server().call('edit_file', { path: module, edits: [{ old, new: mended }] })
    expect((await server().call('check_syntax', { path: module })).structured).toMatchObject({ valid: true })
    const ran = await server().call('run_code', { language, code })
    expect(ran.structured).toMatchObject({ status: 'exited', exit_code: 0, stdout: '6.5\n' })
  })
})

describe('an agent of the data science runtime', { timeout: BUILD_MS }, () => {
  let built: Ran
  beforeAll(async () => {
    built = await run(['build', 'python-datascience'], buildSettings(network()))
  }, BUILD_MS)

  test('uploads a CSV, plots it with run_code and gets the picture', async () => {
    expect(built).toMatchObject({ code: 0 })
    await using server = await installation.start({
      user: installation.newUser(),
      env: { ...buildSettings(network()), SANDBOX_RUNTIME: 'python-datascience' },
    })
    const csv = ['month,sales', ...Array.from({ length: 12 }, (_, at) => `${at + 1},${(at * 37) % 50}`), ''].join('\n')
    await server.call('upload', { path: 'sales.csv', content: csv })
    const code = [
      'import pandas as pd',
      'import matplotlib.pyplot as plt',
      "sales = pd.read_csv('sales.csv')",
      "sales.plot.bar(x='month', y='sales', color='red', figsize=(4, 3))",
      'plt.show()',
      "print(sales['sales'].sum())",
    ].join('\n')
    const { text, result } = await server.call('run_code', { language: 'python', code })
    expect(text).toContain(String(Array.from({ length: 12 }, (_, at) => (at * 37) % 50).reduce((a, b) => a + b)))
    const pictures = result.content.flatMap((block) => (block.type === 'image' ? [block] : []))
    expect(pictures).toMatchObject([{ mimeType: 'image/png' }])
    const picture = Buffer.from(pictures[0]?.data ?? '', 'base64')
    expect(imageSize(picture)).toMatchObject({ type: 'png', width: 400, height: 300 })
    // The bars are in it, not only the axes.
    expect(redPixels(picture)).toBeGreaterThan(1000)
  })
})

function redPixels(png: Buffer): number {
  const { data } = pngFormat().decode(png)
  let count = 0
  for (let at = 0; at < data.length; at += 4) if (data[at] === 255 && data[at + 1] === 0 && data[at + 2] === 0) count++
  return count
}
