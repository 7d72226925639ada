import { describe, expect, test } from 'vitest'
import { WireError } from '../../../src/supervisor/errors.ts'
import { runCode } from '../../../src/tools/run-code.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { entryOf, FakeSupervisor, type Scripted } from '../../helpers/fake-supervisor.ts'
import { png } from '../../helpers/png.ts'
import { runTool } from '../../helpers/run-tool.ts'

const NODE = JSON.stringify(['v24.1.0', true, ['--disable-warning', '--experimental-transform-types']])
const OLD_NODE = JSON.stringify(['v20.10.0', false, ['--experimental-detect-module']])

/** A sandbox whose node says what it is when asked, and that runs the program as scripted. */
function sandboxWith(script: Scripted = {}, node = NODE): FakeSupervisor {
  const fake = new FakeSupervisor()
  fake.onStart = ({ command }) => (String(command[1]) === '--eval' ? { stdout: node } : script)
  return fake
}

const lastCommand = (fake: FakeSupervisor) => fake.started.at(-1)?.command

describe('run_code', () => {
  test('Python runs from a file of its own, which is gone afterwards', async () => {
    const fake = sandboxWith({ stdout: 'out\n', exitCode: 3 })
    let code: string | undefined
    const start = fake.start.bind(fake)
    fake.start = (request) => {
      code = fake.text(String(request.command[1]))
      return start(request)
    }
    const outcome = await runTool(runCode, { language: 'python', code: 'print(1)', args: ['-a'], cwd: 'src' }, fake)
    expect(code).toBe('print(1)')
    expect(lastCommand(fake)).toEqual([
      'python3',
      expect.stringMatching(/^\/tmp\/\.run-[0-9a-f]{12}\/run_code\.py$/),
      '-a',
    ])
    expect(fake.started[0]?.env).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^PYTHONPATH=\/tmp\/\.run-[0-9a-f]{12}\/preamble:\/workspace\/src$/),
      ]),
    )
    expect(outcome.text).toBe('out')
    expect(outcome.footer).toBe('[exit 3 · 1.2 s · cwd /workspace/src]')
    expect(outcome.structured).toMatchObject({ status: 'exited', exit_code: 3, stdout: 'out\n' })
    expect([...fake.files.keys()]).toEqual([])
  })

  test('a program that goes on keeps its file, and its figures are told where to find', async () => {
    const fake = sandboxWith({ status: 'running', exitCode: undefined })
    const outcome = await runTool(runCode, { language: 'python', code: '1', wait_s: 0 }, fake)
    expect(outcome.footer).toMatch(/goes on as process_id=abc-1.* · figures go to \/tmp\/\.run-\w+\/figures\]$/)
    expect([...fake.files.keys()].some((path) => path.endsWith('run_code.py'))).toBe(true)
  })

  test('a program is started by its absolute path, whatever its name', async () => {
    const fake = sandboxWith()
    await runTool(runCode, { language: 'bash', path: '-x.sh' }, fake)
    expect(lastCommand(fake)).toEqual(['bash', '/workspace/-x.sh'])
  })

  test.each([
    ['javascript', 'a', NODE, ['node', '--eval=a', '--', 'b']],
    ['javascript', '-a', OLD_NODE, ['node', '--experimental-detect-module', '--eval=-a', '--', 'b']],
    ['typescript', 'let a: X', NODE, ['node', '--disable-warning=ExperimentalWarning', '--eval=let a: X', '--', 'b']],
    [
      'typescript',
      'enum A {}',
      NODE,
      [
        'node',
        '--disable-warning=ExperimentalWarning',
        '--experimental-transform-types',
        '--eval=enum A {}',
        '--',
        'b',
      ],
    ],
  ])('%s %j is started as its node needs it', async (language, code, node, command) => {
    const fake = sandboxWith({}, node)
    await runTool(runCode, { language, code, args: ['b'] }, fake)
    expect(lastCommand(fake)).toEqual(command)
  })

  test('TypeScript with a node that is too old is refused with its version', async () => {
    const refused = runTool(runCode, { language: 'typescript', code: '1' }, sandboxWith({}, OLD_NODE))
    const { message } = await expectCode(refused, 'image_unavailable')
    expect(message).toBe('TypeScript needs Node.js 22.18 or newer; here is 20.10.0.')
  })

  test('code that no argument could carry is refused with the way out', async () => {
    const code = `//${'x'.repeat(128 * 1024)}`
    const { hint } = await expectCode(runTool(runCode, { language: 'javascript', code }, sandboxWith()), 'too_large')
    expect(hint).toContain('write_file')
    await runTool(runCode, { language: 'python', code }, sandboxWith())
  })

  test('a missing interpreter says what there is instead', async () => {
    const fake = new FakeSupervisor()
    fake.onStart = ({ command }) =>
      typeof command === 'string'
        ? { stdout: '@@inventory bash\nbash 5.2.15\n@@inventory node\nv20.1.0\n' }
        : new WireError('not_found', 2)
    const refused = runTool(runCode, { language: 'python', code: '1' }, fake)
    const { message, hint } = await expectCode(refused, 'image_unavailable')
    expect(message).toBe('The runtime test has no python3, so it cannot run python.')
    expect(hint).toBe('It has: javascript (node 20.1.0), bash (bash 5.2.15).')
    expect([...fake.files.keys()]).toEqual([])
  })

  test('saved images come without a structured form; what cannot be shown is named', async () => {
    const fake = sandboxWith({ stdout: 'x\n' })
    const image = png(4, 4)
    fake.put('new.png', image)
    fake.put('fake.png', 'no')
    fake.list = (request) =>
      Promise.resolve({
        total: 3,
        capped: false,
        more: false,
        entries:
          request.path === '/workspace' && fake.started.length > 0
            ? [
                entryOf('new.png', { mtimeMs: Date.now(), version: 2n }),
                entryOf('fake.png', { mtimeMs: Date.now() + 1, version: 3n }),
                entryOf('old.png', { mtimeMs: 0, version: 4n }),
              ]
            : [],
      })
    const outcome = await runTool(runCode, { language: 'bash', code: 'make' }, fake)
    expect(outcome.text).toBe('x\n[image 1: new.png · 4 × 4 px PNG]\n[not shown: fake.png · no png, jpeg, gif or webp]')
    expect(outcome.images).toEqual([{ base64: image.toString('base64'), mimeType: 'image/png' }])
    expect(outcome.structured).toBeUndefined()
  })
})
