import type { Request, Response } from 'express'
import { SandboxError } from '../../errors/sandbox-error.ts'
import type { Telemetry } from '../../lib/telemetry.ts'
import type { CallPlace } from '../../registry/admission.ts'
import type { SandboxProvider } from '../../registry/lease.ts'
import type { Sandbox } from '../../sandbox/sandbox.ts'
import type { BodyLimits } from './body.ts'

/** What all routes of files need. */
export interface FilesDeps {
  readonly provider: SandboxProvider
  /** Does the work when it is the user's turn; see registry/admission. */
  readonly admit: <T>(user: string, signal: AbortSignal, work: (place: CallPlace) => Promise<T>) => Promise<T>
  /** Of one request's content. */
  readonly limits: BodyLimits
  readonly telemetry: Telemetry
}

/** On whose behalf a request is served, and until when. */
export interface Authority {
  readonly user: string
  /** Fires when the credential, or the session, has ended. */
  readonly ended: AbortSignal
}

/** One exchange: what came, where the answer goes, in whose sandbox, and a signal for when nobody wants it any more. */
export interface FileScene {
  readonly request: Request
  readonly response: Response
  readonly sandbox: Sandbox
  readonly signal: AbortSignal
  readonly limits: BodyLimits
  readonly telemetry: Telemetry
}

/**
 * Does the work in the user's sandbox, with a lease held to the end of the stream, so that it is not put to sleep under it. When the client
 * goes, or its credential ends, the signal fires: what was half written leaves the old content.
 */
export async function inSandbox(
  deps: FilesDeps,
  { user, ended }: Authority,
  request: Request,
  response: Response,
  work: (scene: FileScene) => Promise<void>,
): Promise<void> {
  const gone = new AbortController()
  const onClose = () => gone.abort(new SandboxError('cancelled', 'The client is gone.'))
  response.once('close', onClose)
  const signal = AbortSignal.any([gone.signal, ended])
  try {
    await deps.admit(user, signal, async (place) => {
      const lease = await deps.provider.acquire(user, { signal, place })
      try {
        const { limits, telemetry } = deps
        await work({ request, response, sandbox: lease.sandbox, signal, limits, telemetry })
      } finally {
        lease.release()
      }
    })
  } finally {
    response.off('close', onClose)
  }
}
