import { type ChildProcess, spawn } from 'node:child_process'

export interface CurlAnswer {
  /** Of the program; 0 unless the transfer itself failed. */
  readonly exitCode: number | null
  /** Of the last answer; 0 without one. */
  readonly status: number
  readonly body: Buffer
  readonly text: string
}

/** Runs curl(1), as a user would, with these arguments. */
export async function curl(args: readonly string[], signal?: AbortSignal): Promise<CurlAnswer> {
  const child = spawn('curl', ['-sS', '-w', '%{stderr}\n%{http_code}', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(signal && { signal, killSignal: 'SIGKILL' }),
  })
  const body: Buffer[] = []
  let errors = ''
  child.stdout.on('data', (chunk: Buffer) => body.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  const exitCode = await exitOf(child)
  const bytes = Buffer.concat(body)
  return { exitCode, status: Number(errors.split('\n').at(-1)), body: bytes, text: bytes.toString() }
}

/** Runs a command line as it was given to a user, with what stands for their file filled in. */
export async function runCurlLine(
  line: string,
  file: string,
  cwd: string,
): Promise<{ exitCode: number | null; text: string }> {
  const child = spawn('sh', ['-c', line.replace(' FILE ', ` '${file}' `)], { cwd, stdio: ['ignore', 'pipe', 'ignore'] })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  return { exitCode: await exitOf(child), text }
}

/** Resolves when the program has ended and its output was read; null when it was killed. */
function exitOf(child: ChildProcess): Promise<number | null> {
  // An abort is an error of its own, and comes before the end.
  child.on('error', () => {})
  return new Promise((resolve) => child.once('close', resolve))
}
