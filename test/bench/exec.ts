import { execFile } from 'node:child_process'
import { Writable } from 'node:stream'
import { promisify } from 'node:util'
import type Docker from 'dockerode'

const run = promisify(execFile)

/** A command the usual way: create exec, start, read to the end, inspect. */
export async function dockerodeExec(
  container: Docker.Container,
  argv: readonly string[],
  input?: Buffer,
): Promise<Buffer> {
  const exec = await container.exec({
    Cmd: [...argv],
    AttachStdin: input !== undefined,
    AttachStdout: true,
    AttachStderr: true,
  })
  const stream = await exec.start({ hijack: true, stdin: input !== undefined })
  const pieces: Buffer[] = []
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      pieces.push(chunk)
      done()
    },
  })
  container.modem.demuxStream(stream, sink, sink)
  const ended = new Promise((onEnd, onError) => {
    stream.on('end', onEnd)
    stream.on('close', onEnd)
    stream.on('error', onError)
  })
  if (input !== undefined) {
    stream.write(input)
    stream.end()
  } else stream.resume()
  await ended
  const { ExitCode } = await exec.inspect()
  if (ExitCode !== 0) throw new Error(`exec ended with ${ExitCode}`)
  return Buffer.concat(pieces)
}

/** The same through the docker command line. */
export async function dockerCli(containerId: string, argv: readonly string[]): Promise<void> {
  await run('docker', ['exec', containerId, ...argv])
}
