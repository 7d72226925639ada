import { describe, expect, test } from 'vitest'
import { imageSize } from 'image-size'
import { runCode } from '../../../src/tools/run-code.ts'
import { processRead } from '../../../src/tools/process-read.ts'
import type { AnyOutcome } from '../../../src/tools/tool.ts'
import { expectCode } from '../../helpers/expect-code.ts'
import { type RealSandbox, useRealSandbox } from '../../helpers/real-sandbox.ts'

const polyglot = useRealSandbox('polyglot')
const dataScience = useRealSandbox('python-datascience')

const run = (sandbox: RealSandbox, args: Record<string, unknown>) => sandbox.call(runCode, args)
const python = (code: string, more: Record<string, unknown> = {}) =>
  run(dataScience(), { language: 'python', code, ...more })

function sizes({ images = [] }: AnyOutcome) {
  return images.map(({ base64 }) => {
    const { width, height, type } = imageSize(Buffer.from(base64, 'base64'))
    return `${width}x${height} ${type}`
  })
}

const leftBehind = (sandbox: RealSandbox) => sandbox.output('ls -d /tmp/.run-* 2>/dev/null | wc -l')

describe('run_code', () => {
  test.each([
    ['python', 'import sys; print(sys.argv[1:], sys.stdin.read())'],
    ['javascript', 'console.log(process.argv.slice(1), require("fs").readFileSync(0, "utf8"))'],
    [
      'javascript',
      'import { readFileSync } from "node:fs"; console.log(process.argv.slice(1), await readFileSync(0, "utf8"))',
    ],
    [
      'typescript',
      'import { readFileSync } from "node:fs"; const a: string[] = process.argv.slice(1); console.log(a, readFileSync(0, "utf8"))',
    ],
    ['bash', "echo \"[ '$1', '$2' ] $(cat)\""],
  ])('%s gets its arguments as they are, and its input', async (language, code) => {
    const { structured } = await run(polyglot(), { language, code, args: ['-x', 'a b'], stdin: 'in' })
    expect(structured).toMatchObject({ exit_code: 0, stderr: '' })
    expect(
      String(structured?.['stdout'])
        .trim()
        .replace(/^\[ (.*) \] /, '[$1] '),
    ).toBe("['-x', 'a b'] in")
  })

  test.each([
    ['python', 'def f():\n    return 1 / 0\n\nf()\n', /run_code\.py", line 2, in f\n {4}return 1 \/ 0\n/],
    ['javascript', 'let a = 1\n\nthrow new Error("bad")\n', /:3\nthrow new Error/],
    ['typescript', 'let a: number = 1\ninterface X {\n  b: string\n}\nthrow new Error("bad")\n', /:5\nthrow new Error/],
    ['bash', 'a=1\n\nfi\n', /run_code\.sh: line 3: syntax error/],
  ])('a failure in %s names its line and quotes it', async (language, code, expected) => {
    const { text, structured } = await run(polyglot(), { language, code })
    expect(text).toMatch(expected)
    expect(structured?.['exit_code']).not.toBe(0)
  })

  test('modules of the working directory are found, from a file also those beside it', async () => {
    const sandbox = polyglot()
    await sandbox.put('app/helper.py', 'value = 42\n')
    await sandbox.put('app/helper.mjs', 'export const value = 42\n')
    await sandbox.put('app/node_modules/pack/index.js', 'exports.value = 42\n')
    await sandbox.put('app/main.py', 'from helper import value\nprint(value, __file__)\n')
    await sandbox.put('app/main.ts', 'enum E { A = 42 }\nconst value: number = E.A\nconsole.log(value)\n')
    const value = async (args: Record<string, unknown>) => (await run(sandbox, args)).text
    expect(await value({ language: 'python', code: 'import helper; print(helper.value)', cwd: 'app' })).toBe('42')
    expect(
      await value({
        language: 'javascript',
        code: 'import { value } from "./helper.mjs"; console.log(value)',
        cwd: 'app',
      }),
    ).toBe('42')
    expect(await value({ language: 'javascript', code: 'console.log(require("pack").value)', cwd: 'app' })).toBe('42')
    expect(await value({ language: 'python', path: 'app/main.py' })).toBe('42 /workspace/app/main.py')
    expect(await value({ language: 'typescript', path: 'app/main.ts' })).toBe('42')
    expect(await value({ language: 'typescript', code: 'enum E { A = 42 }; console.log(E.A)' })).toBe('42')
  })

  test('nothing of a run stays behind, whatever its end', async () => {
    const sandbox = polyglot()
    await run(sandbox, { language: 'python', code: 'raise SystemExit(3)' })
    await run(sandbox, { language: 'bash', code: 'kill -9 $$' })
    await run(sandbox, { language: 'python', code: 'while True: pass', timeout_s: 1 })
    await expectCode(run(sandbox, { language: 'bash', code: 'true', cwd: 'missing' }), 'not_found')
    expect(await leftBehind(sandbox)).toBe('0')
  })

  test('a program that outlives wait_s keeps its file, and is read on as any process', async () => {
    const sandbox = polyglot()
    const { structured, footer } = await run(sandbox, {
      language: 'bash',
      code: 'read line\necho "got $line"\n',
      wait_s: 0,
    })
    expect(structured).toMatchObject({ status: 'running' })
    expect(footer).toContain('goes on as process_id=')
    const id = structured?.['process_id'] as string
    await sandbox.sandbox.processes.write(id, 'it\n', true)
    const end = await sandbox.call(processRead, { process_id: id, wait_s: 20, until: 'got it' })
    expect(end.structured).toMatchObject({ until_met: true })
  })

  test('a language that the runtime has not is a typed error that names those it has', async () => {
    const refused = run(dataScience(), { language: 'typescript', code: '1' })
    const { message, hint } = await expectCode(refused, 'image_unavailable')
    expect(message).toBe('The runtime python-datascience has no node, so it cannot run typescript.')
    expect(hint).toMatch(/^It has: python \(python3 3\.\d+\.\d+\), bash \(bash 5\.\d+/)
  })

  test('exactly one of code and path', async () => {
    await expectCode(run(polyglot(), { language: 'bash' }), 'invalid_argument')
    await expectCode(run(polyglot(), { language: 'bash', code: 'true', path: 'x' }), 'invalid_argument')
  })
})

describe('the Python preamble', () => {
  test('leaves no trace: environment, search path, modules and sitecustomize are as without it', async () => {
    const probe = [
      'import os, sys',
      'print(sorted(name for name in os.environ if "RUN" in name or name == "PYTHONPATH"))',
      'print([each for each in sys.path if "preamble" in each], sys.argv, __name__)',
      'print(sorted(name for name in sys.modules if name.startswith(("matplotlib", "importlib.util", "atexit", "weakref"))))',
      'import subprocess; print(subprocess.run([sys.executable, "-c", "import os; print(os.environ.get(\'PYTHONPATH\'))"], capture_output=True, text=True).stdout)',
    ].join('\n')
    const sandbox = dataScience()
    await sandbox.put('probe.py', probe)
    const plain = await sandbox.output('python3 /workspace/probe.py')
    const { text } = await run(sandbox, { language: 'python', path: 'probe.py' })
    expect(text.trimEnd()).toBe(plain.trimEnd())
  })

  test('a PYTHONPATH of the caller is kept, also for what the program starts', async () => {
    await dataScience().put('lib/mine.py', 'value = 7\n')
    const code =
      'import mine, os, subprocess\nprint(mine.value, os.environ["PYTHONPATH"], flush=True)\nsubprocess.run(["python3", "-c", "import mine; print(mine.value)"])'
    const { text } = await python(code, { env: { PYTHONPATH: '/workspace/lib' } })
    expect(text).toBe('7 /workspace/lib\n7')
  })
})

describe('figures', () => {
  const PLOT = 'import matplotlib.pyplot as plt\nplt.plot([1, 2])\n'

  test('one that is shown comes back as an image, without a structured form that would hide it', async () => {
    const outcome = await python(`${PLOT}plt.show()\nprint("done")`)
    expect(outcome.text).toBe('done\n[image 1: figure 1 · 640 × 480 px PNG]')
    expect(sizes(outcome)).toEqual(['640x480 png'])
    expect(outcome.structured).toBeUndefined()
    expect(outcome.footer).toMatch(/^\[exit 0 · /)
  })

  test('each show() ends its figures, as closed windows do', async () => {
    const outcome = await python(`${PLOT}plt.show()\nprint(plt.get_fignums())\nplt.plot([3])\nplt.show()`)
    expect(sizes(outcome)).toHaveLength(2)
    expect(outcome.text).toMatch(/^\[\]\n/)
  })

  test('what is left open at the end is kept, also when the program fails', async () => {
    const outcome = await python(`${PLOT}plt.figure(figsize=(2, 1))\nraise ValueError("late")`)
    expect(sizes(outcome)).toEqual(['640x480 png', '200x100 png'])
    expect(outcome.text).toContain('ValueError: late')
    expect(outcome.footer).toContain('exit 1')
  })

  test('one that was saved in the working directory comes once, by its own name', async () => {
    const outcome = await python(`${PLOT}plt.savefig("plots.png", dpi=50)\nplt.show()`)
    expect(outcome.text).toBe('(no output)\n[image 1: plots.png · 320 × 240 px PNG]')
    expect(sizes(outcome)).toEqual(['320x240 png'])
  })

  test('saving after show() still saves the figure', async () => {
    const outcome = await python(
      `${PLOT}plt.show()\nplt.savefig("after.png")\nimport os; print(os.path.getsize("after.png") > 8000)`,
    )
    expect(outcome.text).toMatch(/^True\n/)
  })

  test('Agg chosen by the program, pandas and figures without pyplot’s own names work alike', async () => {
    const code =
      'import matplotlib\nmatplotlib.use("Agg")\nimport pandas as pd\npd.Series([1, 3, 2]).plot()\nfrom matplotlib.pyplot import show\nshow()'
    expect(sizes(await python(code))).toEqual(['640x480 png'])
  })

  test('at most four come, and the others are counted', async () => {
    const outcome = await python(
      'import matplotlib.pyplot as plt\nfor n in range(6):\n    plt.figure(figsize=(1, 1))\n',
    )
    expect(sizes(outcome)).toHaveLength(4)
    expect(outcome.text).toContain('[2 more images not shown: save them, then use read_file]')
  })

  test('large ones are scaled down, together to a bounded size', async () => {
    const code = [
      'import matplotlib.pyplot as plt, numpy as np',
      'for n in range(4):',
      '    plt.figure(figsize=(20, 20)); plt.imshow(np.random.default_rng(n).random((900, 900, 3)))',
    ].join('\n')
    const { images = [], text } = await python(code)
    expect(images).toHaveLength(4)
    for (const { base64 } of images) {
      const { width, height } = imageSize(Buffer.from(base64, 'base64'))
      expect(Math.max(width, height)).toBeLessThanOrEqual(1568)
    }
    expect(images.reduce((sum, { base64 }) => sum + base64.length * 0.75, 0)).toBeLessThanOrEqual(2_000_000)
    expect(text).toContain('[image 4: figure 4 · ')
  })

  test('images of any program come back; older ones, and what is no image, do not', async () => {
    const sandbox = dataScience()
    await sandbox.output(
      'cp $(find / -name "matplotlib.png" -path "*images*" 2>/dev/null | head -n 1) /workspace/old.png',
    )
    const outcome = await run(sandbox, {
      language: 'bash',
      code: 'mkdir -p out && cp old.png out/new.png && echo no > out/fake.png && touch out/empty.png',
    })
    expect(outcome.text).toMatch(/\[image 1: out\/new\.png · \d+ × \d+ px PNG\]/)
    expect(outcome.text).toContain('[not shown: out/fake.png · no png, jpeg, gif or webp]')
    expect(outcome.text).not.toMatch(/old|empty/)
    expect(outcome.images).toHaveLength(1)
  })

  test('a run without images has the structured form of shell_exec', async () => {
    const { structured, images } = await python('print(1)')
    expect(structured).toMatchObject({ status: 'exited', exit_code: 0, stdout: '1\n', cwd: '/workspace' })
    expect(images).toBeUndefined()
    expect(await leftBehind(dataScience())).toBe('0')
  })
})
