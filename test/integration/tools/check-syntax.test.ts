import { describe, expect, test } from 'vitest'
import { checkSyntax } from '../../../src/tools/check-syntax.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { useRealSandbox } from '../../helpers/real-sandbox.ts'

/** Holds Python, bash and Node.js without the TypeScript compiler. */
const polyglot = useRealSandbox('polyglot')
/** Holds the compiler. */
const react = useRealSandbox('node-react')

const MODULE = 'import x from "y"\nexport default await x()\nimport.meta.url\n'
const TSX = 'export const a = <b>x</b>\n'

describe('check_syntax', () => {
  test.each([
    ['a.py', '# -*- coding: latin-1 -*-\nx = 1\n'],
    ['a.js', '#!/usr/bin/env node\nconst fs = require("fs")\nreturn fs\n'],
    ['b.js', MODULE],
    ['a.mjs', MODULE],
    ['a.cjs', 'exports.a = 1; return'],
    ['a.ts', 'enum E { A }\nimport x from "y"\nlet a: Missing<E> = await x<string>()\n'],
    ['a.sh', 'if true; then echo a; fi\ncat <<X\nb\nX\n'],
  ])('%s is valid', async (name, content) => {
    await polyglot().put(name, content)
    expect((await polyglot().call(checkSyntax, { path: name })).structured).toMatchObject({ valid: true })
    await expectCode(polyglot().call(checkSyntax, { path: `missing-${name}` }), 'not_found')
  })

  test.each([
    ['a.py', 'def f():\n    return 1 +\n', { line: 2, column: 15 }],
    ['b.py', 'if True:\nx = 1\n', { line: 2, message: /^IndentationError: expected an indented block/ }],
    ['c.py', 'x = "\\xzz"\n', { line: 1 }],
    ['a.js', 'let a = 1\n\tfoo((\n)\n', { line: 3, column: 1 }],
    ['b.js', 'import x from "y"\n\nfoo(()\n', { line: 3, column: 6 }],
    ['a.mjs', 'export const a = {\n', { line: 2 }],
    ['a.cjs', 'import x from "y"\n', { line: 1, message: /import statement outside a module/ }],
    ['a.ts', 'let a: number = 1\n\nlet x: = 3\n', { line: 3, column: 8 }],
    ['a.sh', 'echo a\nfi\n', { line: 2, message: /unexpected token/ }],
    ['b.sh', 'if true; then\n', { message: /unexpected end of file/ }],
    ['we\nird.sh', 'fi\n', { line: 1, message: /unexpected token/ }],
  ])('%s is not valid: line, column and message', async (name, content, expected) => {
    await polyglot().put(name, content)
    const { structured } = await polyglot().call(checkSyntax, { path: name })
    const { message = /./, ...place } = expected as { line?: number; column?: number; message?: RegExp }
    expect(structured).toMatchObject({ valid: false, ...place, message: expect.stringMatching(message) })
  })

  test('nothing is run, and nothing stays behind', async () => {
    for (const [language, code] of [
      ['python', 'open("/workspace/ran", "w")'],
      ['javascript', 'require("fs").writeFileSync("/workspace/ran", "")'],
      ['typescript', 'import fs from "fs"; fs.writeFileSync("/workspace/ran", "")'],
      ['bash', '> /workspace/ran'],
    ]) {
      expect((await polyglot().call(checkSyntax, { language, code })).structured).toMatchObject({ valid: true })
    }
    expect(await polyglot().output('ls -d /workspace/ran /tmp/.check-* 2>/dev/null | wc -l')).toBe('0')
  })

  test('the TypeScript compiler is used where it is, for TSX too, and types are not its matter', async () => {
    const sandbox = react()
    await sandbox.put('tsconfig.json', '{ "compilerOptions": { "strict": true } }')
    await sandbox.put('a.tsx', TSX)
    await sandbox.put('b.ts', 'const a: Missing = require("nowhere")\nlet b: string = 3\n')
    await sandbox.put('c.ts', 'let a: number = 1\n\nlet x: = 3\n')
    const check = async (path: string) => (await sandbox.call(checkSyntax, { path })).structured
    expect(await check('a.tsx')).toMatchObject({ valid: true })
    expect(await check('b.ts')).toMatchObject({ valid: true })
    expect(await check('c.ts')).toMatchObject({ valid: false, line: 3, column: 8, message: 'Type expected.' })
  })

  test('a source that exhausts its checker is no verdict', async () => {
    const code = `${'('.repeat(100_000)}1${')'.repeat(100_000)}`
    const { structured } = await polyglot().call(checkSyntax, { language: 'python', code })
    expect(structured).toMatchObject({ valid: false, message: expect.stringMatching(/nested|Memory|Recursion/) })
  })
})
