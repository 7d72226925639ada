import { appendFileSync, readdirSync, readFileSync } from 'node:fs'
import { chmod, mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'

import { labels, findBaseImage, registryImage } from './base-image.mjs'
import { progressOf } from './engine-api.mjs'
import { root } from './paths.mjs'

const supervisorDir = join(root, 'supervisor')

/**
 * Compiles the supervisor in a container of the engine, for machines without a C compiler for Linux, and copies the binary out to
 * supervisor/build/<arch>. The image is kept, so that the engine's cache makes the next time short; the container is never started.
 */
export async function buildSupervisorInContainer(step, api, arch) {
  const base = (await findBaseImage(api)) ?? registryImage.reference
  const image = await buildImage(step, api, base)
  const { Id: container } = await api.call('POST', '/containers/create', {
    body: { Image: image, Labels: { [labels.role]: 'build' } },
  })
  try {
    await copyOut(api, container, arch)
  } finally {
    await api.call('DELETE', `/containers/${container}`, { query: { force: '1' } })
  }
}

async function buildImage(step, api, base) {
  const query = {
    t: 'sandbox-mcp/supervisor-build:latest',
    buildargs: JSON.stringify({ BASE: base }),
    labels: JSON.stringify({ [labels.role]: 'build' }),
    rm: '1',
    forcerm: '1',
  }
  const body = await context()
  const response = await api.open('POST', '/build', {
    query,
    body,
    contentType: 'application/x-tar',
    signal: step.signal,
  })
  let id
  for await (const { stream, aux } of progressOf(response)) {
    if (stream) appendFileSync(step.logPath, stream)
    id = aux?.ID ?? id
  }
  return id
}

/** The supervisor's sources as a tar stream. */
async function context() {
  const { pack: createPack } = await import('tar-stream')
  const pack = createPack()
  for (const name of ['Dockerfile', 'Makefile']) pack.entry({ name }, readFileSync(join(supervisorDir, name)))
  for (const name of readdirSync(join(supervisorDir, 'src')))
    pack.entry({ name: `src/${name}` }, readFileSync(join(supervisorDir, 'src', name)))
  pack.finalize()
  return pack
}

/** Our own container, never started: nothing hostile has touched this path. */
async function copyOut(api, container, arch) {
  const { extract: createExtract } = await import('tar-stream')
  const path = `/supervisor/build/${arch}/sandbox-supervisor`
  const response = await api.open('GET', `/containers/${container}/archive`, { query: { path } })
  const extract = createExtract()
  const received = pipeline(response, extract)
  for await (const entry of extract) {
    const chunks = []
    for await (const chunk of entry) chunks.push(chunk)
    await install(Buffer.concat(chunks), arch)
  }
  await received
}

async function install(binary, arch) {
  const folder = join(supervisorDir, 'build', arch)
  const part = join(folder, 'sandbox-supervisor.part')
  await mkdir(folder, { recursive: true })
  await writeFile(part, binary)
  await chmod(part, 0o755)
  await rename(part, join(folder, 'sandbox-supervisor'))
}
