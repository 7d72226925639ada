import { type Request, type Response, Router } from 'express'
import * as z from 'zod'
import { SandboxError } from '../../errors/sandbox-error.ts'
import type { DownloadGrant, UploadGrant } from '../../lib/handover.ts'
import { checkBodyHeaders } from './body.ts'
import { announcedSha256 } from './digest.ts'
import { receiveFile } from './receive-file.ts'
import { allow } from './routes.ts'
import { clearFileHeaders } from './safe-headers.ts'
import { type FileScene, type FilesDeps, inSandbox } from './scene.ts'
import { sendArchive } from './send-archive.ts'
import { sendFile } from './send-file.ts'
import { fileTarget, readQuery } from './target.ts'
import type { Redemption, Tickets } from './tickets.ts'

const noParameters = z.strictObject({})
/** A ticket stands for its user's credential; what else could end it takes the ticket back. */
const NEVER = new AbortController().signal

/**
 * `/t/{ticket}`: PUT for an upload ticket, GET and HEAD for a download ticket. The ticket is the credential, so these routes come before the
 * authentication (and behind the check of the Host). What may be said by headers is said by the ticket instead, but for ranges, with which
 * a download that was cut can be taken up where it ended.
 *
 * A ticket is spent by a transfer that was whole: a PUT whose content is in place, a GET whose last byte has been handed to the network. After
 * anything else it can be used again until it expires; a HEAD never spends it.
 */
export function ticketRouter(deps: FilesDeps & { readonly tickets: Tickets }): Router {
  const router = Router()
  router.use('/t', (request, response) => serveTicket(deps, request, response).catch(clearFileHeaders(response)))
  return router
}

async function serveTicket(
  deps: FilesDeps & { readonly tickets: Tickets },
  request: Request,
  response: Response,
): Promise<void> {
  allow(request, response, ['GET', 'HEAD', 'PUT'])
  const { path: secret, query } = fileTarget(request.url)
  const ticket = deps.tickets.redeem(secret, request.method === 'PUT' ? 'put' : 'get')
  try {
    readQuery(query, noParameters)
    await transfer(deps, ticket, request, response)
  } finally {
    ticket.giveBack()
  }
}

async function transfer(deps: FilesDeps, ticket: Redemption, request: Request, response: Response): Promise<void> {
  const { scope } = ticket
  const authority = { user: scope.user, ended: NEVER }
  if (scope.direction === 'put') {
    checkBodyHeaders(request, deps.limits.maxBytes)
    await inSandbox(deps, authority, request, response, (scene) => receive(scene, scope.grant, ticket))
    return
  }
  await inSandbox(deps, authority, request, response, (scene) => send(scene, scope.grant))
  if (request.method === 'GET' && response.statusCode < 300) ticket.spend()
}

async function receive(scene: FileScene, grant: UploadGrant, ticket: Redemption): Promise<void> {
  const announced = announcedSha256(scene.request.headers, undefined)
  if (announced !== undefined && grant.sha256 !== undefined && announced !== grant.sha256.toLowerCase()) {
    throw new SandboxError('invalid_argument', 'The content is announced with another digest than the ticket is for.')
  }
  await receiveFile(scene, { ...grant, sha256: grant.sha256 ?? announced }, () => ticket.spend())
}

async function send(scene: FileScene, { path, kind, version, sha256 }: DownloadGrant): Promise<void> {
  const file = await scene.sandbox.files.stat(path, scene.signal)
  const isSame = kind === 'directory' ? file.type === 'directory' : file.type === 'file' && file.version === version
  if (!isSame) {
    throw new SandboxError('stale_version', 'What is to be downloaded has changed since the ticket was given.', {
      hint: 'Ask for a new one with download.',
    })
  }
  if (kind === 'directory') await sendArchive(scene, path, 'tar.gz')
  else await sendFile(scene, { path, file, sha256: sha256 ?? false })
}
