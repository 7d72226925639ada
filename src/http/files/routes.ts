import { type Request, type Response, Router } from 'express'
import * as z from 'zod'
import { SandboxError } from '../../errors/sandbox-error.ts'
import { checkBodyHeaders } from './body.ts'
import { announcedSha256, wantsDigest } from './digest.ts'
import { listDirectory, listQuery } from './list-directory.ts'
import { receiveFile } from './receive-file.ts'
import { formQuery, receiveForm } from './receive-form.ts'
import { removePath } from './remove.ts'
import { type Authority, type FilesDeps, inSandbox } from './scene.ts'
import { sendArchive } from './send-archive.ts'
import { sendFile } from './send-file.ts'
import { clearFileHeaders } from './safe-headers.ts'
import { fileTarget, flag, readQuery } from './target.ts'

const readParameters = z.strictObject({
  sha256: flag,
  format: z.enum(['tar.gz', 'zip'], 'give tar.gz or zip').default('tar.gz'),
})
const putParameters = z.strictObject({
  sha256: z.string().optional(),
  extract: z.enum(['tar', 'tar.gz', 'zip'], 'give tar, tar.gz or zip').optional(),
  overwrite: z.enum(['true', 'false'], 'give true or false').default('true'),
})
const deleteParameters = z.strictObject({ recursive: flag })

export interface FileRoutesDeps extends FilesDeps {
  /** Whose files a request is about, from its credential. Throws when that is nobody. */
  readonly authorityOf: (request: Request, response: Response) => Authority
}

/**
 * The files of a user's sandbox over HTTP, for programs, without a model in between: `/files/{path}` (GET, HEAD, PUT, DELETE) and forms to
 * `/upload` (POST). Everything is streamed, and happens inside the sandbox as its user: the path of a URL is what it would be to a
 * command there, and the container is the boundary.
 */
export function filesRouter(deps: FileRoutesDeps): Router {
  const router = Router()
  router.use('/files', (request, response) => serveFiles(deps, request, response).catch(clearFileHeaders(response)))
  router.use('/upload', async (request, response) => {
    allow(request, response, ['POST'])
    checkBodyHeaders(request, deps.limits.maxBytes)
    if (request.path !== '/') throw new SandboxError('not_found', 'There is nothing at this path.')
    const query = readQuery(fileTarget(request.url).query, formQuery)
    await inSandbox(deps, deps.authorityOf(request, response), request, response, (scene) => receiveForm(scene, query))
  })
  return router
}

async function serveFiles(deps: FileRoutesDeps, request: Request, response: Response): Promise<void> {
  allow(request, response, ['GET', 'HEAD', 'PUT', 'DELETE'])
  const authority = deps.authorityOf(request, response)
  if (request.method === 'PUT') return put(deps, authority, request, response)
  if (request.method === 'DELETE') return remove(deps, authority, request, response)
  return get(deps, authority, request, response)
}

async function get(deps: FilesDeps, authority: Authority, request: Request, response: Response): Promise<void> {
  const { path, isDirectory, query } = fileTarget(request.url)
  // A client may keep what it has an entity tag of, and asks each time whether it still holds.
  response.setHeader('Cache-Control', 'private, no-cache')
  if (query.has('list')) {
    const listing = readQuery(query, listQuery)
    await inSandbox(deps, authority, request, response, (scene) => listDirectory(scene, path, listing))
    return
  }
  const { sha256, format } = readQuery(query, readParameters)
  await inSandbox(deps, authority, request, response, async (scene) => {
    const file = await scene.sandbox.files.stat(path, scene.signal)
    if (file.type === 'directory') return sendArchive(scene, path, format)
    if (isDirectory) throw notADirectory(scene.sandbox.files.shown(path))
    if (file.type !== 'file')
      throw new SandboxError('not_a_file', `${scene.sandbox.files.shown(path)} is not a regular file.`)
    await sendFile(scene, { path, file, sha256: sha256 || wantsDigest(request.headers) })
  })
}

async function put(deps: FilesDeps, authority: Authority, request: Request, response: Response): Promise<void> {
  const { path, isDirectory, query } = fileTarget(request.url)
  const { sha256, extract, overwrite } = readQuery(query, putParameters)
  checkBodyHeaders(request, deps.limits.maxBytes)
  if (isDirectory && extract === undefined) {
    throw new SandboxError('is_directory', 'The URL names a directory.', {
      hint: 'End it with the name of the file (curl -T appends it to a URL that ends with a slash), or unpack an archive with ?extract=tar.gz.',
    })
  }
  const announced = announcedSha256(request.headers, sha256)
  const receiving = { path, sha256: announced, extract, overwrite: overwrite === 'true' }
  await inSandbox(deps, authority, request, response, (scene) => receiveFile(scene, receiving))
}

async function remove(deps: FilesDeps, authority: Authority, request: Request, response: Response): Promise<void> {
  const { path, isDirectory, query } = fileTarget(request.url)
  const { recursive } = readQuery(query, deleteParameters)
  await inSandbox(deps, authority, request, response, async (scene) => {
    const { files } = scene.sandbox
    if (isDirectory && (await files.stat(path, scene.signal)).type !== 'directory')
      throw notADirectory(files.shown(path))
    await removePath(scene, path, recursive)
  })
}

/** `method_not_allowed` unless the method is one of these (RFC 9110 section 15.5.6). */
export function allow(request: Request, response: Response, methods: readonly string[]): void {
  if (methods.includes(request.method)) return
  response.setHeader('Allow', methods.join(', '))
  throw new SandboxError('method_not_allowed', `${request.method} means nothing here.`)
}

function notADirectory(shown: string): SandboxError {
  return new SandboxError('not_found', `${shown} is a file, and the URL ends with a slash.`)
}
