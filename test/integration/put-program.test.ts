import { randomBytes } from 'node:crypto'
import { text } from 'node:stream/consumers'
import { beforeAll, expect, test } from 'vitest'
import { useDocker } from '../helpers/docker.ts'
import { expectCode } from '../helpers/expect-code.ts'
import { foreignContainer, rawDocker } from '../helpers/raw-docker.ts'

const docker = useDocker()
const PROGRAM = { directory: '.put-program', name: 'program', content: randomBytes(300_000) }
let container: string

/** Runs a line as root in the container, as somebody hostile who lives there might. */
async function asRoot(line: string): Promise<string> {
  const exec = await rawDocker(docker.address)
    .getContainer(container)
    .exec({ Cmd: ['sh', '-c', line], AttachStdout: true, AttachStderr: true, Tty: true })
  return (await text(await exec.start({ Tty: true }))).trim()
}

beforeAll(async () => {
  container = await foreignContainer(docker.address, { labels: docker.labels })
})

test('a program is root’s own and whole, and nobody else may write it', async () => {
  await docker.engine.containers.putProgram(container, PROGRAM)
  expect(await asRoot('stat -c "%u:%g %a" /.put-program /.put-program/program | tr "\\n" " "')).toBe('0:0 755 0:0 555')
  const sum = await asRoot('sha256sum /.put-program/program | cut -c1-64')
  const { createHash } = await import('node:crypto')
  expect(sum).toBe(createHash('sha256').update(PROGRAM.content).digest('hex'))
})

test('one whose content was changed is put anew', async () => {
  await asRoot('printf evil > /.put-program/program')
  await docker.engine.containers.putProgram(container, PROGRAM)
  expect(await asRoot('stat -c %s /.put-program/program')).toBe(String(PROGRAM.content.length))
})

test.each([
  ['a link in its place', 'rm -rf /.put-program; mkdir -p /srv/elsewhere; ln -s /srv/elsewhere /.put-program'],
  [
    'somebody else’s directory',
    'rm -rf /.put-program; mkdir /.put-program; chown 1000 /.put-program; touch /.put-program/x',
  ],
])('%s is not used, and nothing is written through it', async (_what, trap) => {
  await asRoot(trap)
  await expectCode(
    docker.engine.containers.putProgram(container, PROGRAM),
    trap.includes('ln -s') ? 'engine_failed' : 'unsafe_engine',
  )
  expect(await asRoot('ls /srv/elsewhere 2>/dev/null')).toBe('')
})
