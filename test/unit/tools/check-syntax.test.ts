import { describe, expect, test } from 'vitest'
import { WireError } from '../../../src/supervisor/errors.ts'
import { checkSyntax } from '../../../src/tools/check-syntax.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { FakeSupervisor } from '../../helpers/fake-supervisor.ts'
import { runTool } from '../../helpers/run-tool.ts'

describe('check_syntax', () => {
  test('both channels tell what is wrong, and where', async () => {
    const fake = new FakeSupervisor()
    fake.put('a.py', 'def')
    fake.script({ stdout: '[1, 4, "invalid syntax"]\n' })
    const outcome = await runTool(checkSyntax, { path: 'a.py' }, fake)
    expect(outcome.text).toBe('a.py:1:4: invalid syntax')
    expect(outcome.footer).toBe('[not valid · python]')
    expect(outcome.structured).toEqual({
      valid: false,
      language: 'python',
      line: 1,
      column: 4,
      message: 'invalid syntax',
    })
    expect(fake.started[0]?.command.at(-1)).toBe('/workspace/a.py')
  })

  test('valid is valid', async () => {
    const fake = new FakeSupervisor()
    fake.script({ stdout: 'null\n' })
    const outcome = await runTool(checkSyntax, { code: 'pass', language: 'python' }, fake)
    expect(outcome.text).toBe('code: valid python')
    expect(outcome.structured).toEqual({ valid: true, language: 'python' })
    expect([...fake.files.keys(), ...fake.directories]).toEqual(['/workspace'])
  })

  test('JSON needs no program', async () => {
    const fake = new FakeSupervisor()
    fake.put('a.json', '{"a": 1,}')
    fake.put('b.json', Buffer.from([0x22, 0xff, 0x22]))
    expect((await runTool(checkSyntax, { path: 'a.json' }, fake)).text).toBe('a.json:1:8: a comma before "}"')
    expect((await runTool(checkSyntax, { path: 'b.json' }, fake)).text).toBe('b.json: not UTF-8')
    expect((await runTool(checkSyntax, { code: '[]', language: 'json' }, fake)).structured).toMatchObject({
      valid: true,
    })
    expect(fake.started).toEqual([])
  })

  test.each([
    [{ path: 'a.txt' }, /language: it cannot be told/],
    [{ code: '1' }, /language: it cannot be told/],
    [{}, /exactly one of path and code/],
    [{ path: 'a.py', code: '1' }, /exactly one of path and code/],
  ])('%j is refused', async (args, message) => {
    expect((await expectCode(runTool(checkSyntax, args), 'invalid_argument')).message).toMatch(message)
  })

  test('without tsc node is asked; without both it is said what is needed', async () => {
    const fake = new FakeSupervisor()
    fake.put('a.ts', '')
    fake.onStart = ({ command }) => (command[0] === 'tsc' ? new WireError('not_found', 2) : { exitCode: 0 })
    expect((await runTool(checkSyntax, { path: 'a.ts' }, fake)).structured).toMatchObject({ valid: true })
    fake.onStart = () => new WireError('not_found', 2)
    const { message, hint } = await expectCode(runTool(checkSyntax, { path: 'a.ts' }, fake), 'image_unavailable')
    expect(message).toBe('The runtime test cannot check typescript.')
    expect(hint).toBe('That needs tsc or Node.js 22.13 or newer.')
  })

  test('a checker that gives no verdict is an error, never "valid"', async () => {
    const fake = new FakeSupervisor()
    fake.put('a.py', '')
    fake.script({ status: 'oom_killed', exitCode: undefined, stdout: 'null' })
    const { message } = await expectCode(runTool(checkSyntax, { path: 'a.py' }, fake), 'invalid_argument')
    expect(message).toBe('It could not be checked (python3: out of memory and killed).')
  })

  test('a missing file and a directory are named as such', async () => {
    await expectCode(runTool(checkSyntax, { path: 'nope.py' }), 'not_found')
    await expectCode(runTool(checkSyntax, { path: '.', language: 'python' }), 'is_directory')
  })
})
