import { mkdir, mkdtemp, open, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { S3mini } from 's3mini'
import * as z from 'zod'
import { SandboxError } from '../../errors/sandbox-error.ts'
import { reachable } from './directory.ts'
import type { BackupTarget, StoredObject } from './target.ts'

export interface S3Settings {
  /** The bucket, by its path: "https://s3.example.com/bucket". */
  readonly endpoint: string
  readonly region: string
  /** Before all keys: "" or "backups/". */
  readonly prefix: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Directory of this machine where an archive waits while it is uploaded. */
  readonly spoolDir: string
}

/** Parts of an upload: at most 10,000 of at least 5 MiB (S3, "Multipart upload limits"); one at a time is in memory. */
const PART_BYTES = 16 * 1024 ** 2
const MAX_PARTS = 10_000
/** Time for one request; a part of 16 MiB is done in it at 280 KB a second. */
const REQUEST_MS = 60_000
const TRIES = 3

/**
 * Backups in a bucket of an S3-compatible service. An object is there when its upload was completed, and not before; an upload that fails
 * is aborted, and one whose server died is found and aborted by the sweep.
 */
export async function s3Target(settings: S3Settings): Promise<BackupTarget> {
  const client = await load(settings)
  await mkdir(settings.spoolDir, { recursive: true, mode: 0o700 })
  // Of this process, so that another one's sweep can tell what is in use by its age alone.
  const spoolDir = await mkdtemp(join(settings.spoolDir, 's3-'))
  const named = (key: string): string => `${settings.prefix}${key}`

  return {
    spoolDir,

    async put(key, file, signal) {
      try {
        const { size } = await stat(file)
        if (size <= PART_BYTES) {
          const whole = await pieceOf(file, 0, size)
          await asked(() => client.putObject(named(key), whole, 'application/zstd'))
        } else await upload(client, named(key), file, size, signal)
      } finally {
        await rm(file, { force: true })
      }
    },

    putText: async (key, text) => {
      await asked(() => client.putObject(named(key), text, 'application/json'))
    },

    async getText(key, maxBytes) {
      const response = await asked(() => client.getObjectResponse(named(key)))
      if (!response) return undefined
      let text = ''
      for await (const piece of bodyOf(response)) {
        text += piece.toString('latin1')
        if (text.length > maxBytes) throw new SandboxError('backup_damaged', 'The facts of a backup are too long.')
      }
      return Buffer.from(text, 'latin1').toString('utf8')
    },

    async *read(key, signal) {
      const response = await asked(() => client.getObjectResponse(named(key)))
      if (!response) throw new SandboxError('not_found', 'There is no such backup.')
      try {
        for await (const piece of bodyOf(response)) {
          signal?.throwIfAborted()
          yield piece
        }
      } catch (cause) {
        if (cause instanceof SandboxError || signal?.aborted) throw cause
        throw unreachable(cause)
      }
    },

    async list(prefix) {
      const found = await asked(() => client.listObjects('/', named(prefix)))
      return (found ?? []).map(({ Key, Size, LastModified }): StoredObject => ({
        key: Key.slice(settings.prefix.length),
        bytes: Size,
        writtenMs: new Date(LastModified).getTime(),
      }))
    },

    remove: async (key) => {
      await asked(() => client.deleteObject(named(key)))
    },

    async sweep(olderThanMs) {
      const removed = await sweepSpool(settings.spoolDir, spoolDir, olderThanMs)
      return removed + (await abortOld(client, settings.prefix, olderThanMs))
    },
  }
}

/** The client is loaded by those who use it only, and need not be installed by others. */
async function load({ endpoint, region, accessKeyId, secretAccessKey }: S3Settings): Promise<S3mini> {
  try {
    const { S3mini: Client } = await import('s3mini')
    return new Client({ endpoint, region, accessKeyId, secretAccessKey, fetch: fetchInTime })
  } catch (cause) {
    throw new SandboxError('backup_unavailable', 'The client for S3 cannot be loaded.', {
      hint: 'Install the optional package s3mini, and check the settings backupS3….',
      cause,
    })
  }
}

/** The deadline is that of the answer's head: a large object may take longer to arrive. */
const fetchInTime: typeof fetch = async (input, init) => {
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(new Error('the service did not answer in time')), REQUEST_MS)
  try {
    return await fetch(input, { ...init, signal: controller.signal })
  } finally {
    clearTimeout(timer)
  }
}

async function upload(
  client: S3mini,
  key: string,
  file: string,
  size: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const partBytes = Math.max(PART_BYTES, Math.ceil(size / MAX_PARTS))
  const uploadId = await asked(() => client.getMultipartUploadId(key, 'application/zstd'))
  try {
    const parts: { partNumber: number; etag: string }[] = []
    for (let at = 0; at < size; at += partBytes) {
      signal?.throwIfAborted()
      const part = await pieceOf(file, at, Math.min(partBytes, size - at))
      const number: number = parts.length + 1
      parts.push(await asked(() => client.uploadPart(key, uploadId, part, number)))
    }
    await asked(() => client.completeMultipartUpload(key, uploadId, parts))
  } catch (error) {
    // Parts of an upload cost what objects cost, and are listed nowhere. What is not aborted here the sweep aborts.
    await asked(() => client.abortMultipartUpload(key, uploadId)).catch(() => {})
    throw error
  }
}

async function pieceOf(file: string, at: number, bytes: number): Promise<Buffer> {
  const handle = await open(file)
  try {
    const buffer = Buffer.alloc(bytes)
    const { bytesRead } = await handle.read(buffer, 0, bytes, at)
    if (bytesRead !== bytes) throw new Error('the spooled archive was cut')
    return buffer
  } finally {
    await handle.close()
  }
}

/** The body's pieces; a silence that is longer than any request may take ends it. */
async function* bodyOf(response: Response): AsyncGenerator<Buffer, void> {
  const reader = response.body?.getReader()
  if (!reader) return
  try {
    for (;;) {
      let timer: NodeJS.Timeout | undefined
      const silence = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error('the service fell silent')), REQUEST_MS)
      })
      const { done, value } = await Promise.race([reader.read(), silence]).finally(() => clearTimeout(timer))
      if (done) return
      yield Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}

/** Files and directories of uploads whose process is gone. */
async function sweepSpool(root: string, own: string, olderThanMs: number): Promise<number> {
  let removed = 0
  for (const name of await readdir(root)) {
    const path = join(root, name)
    if (path === own) continue
    const info = await stat(path).catch(() => undefined)
    if (!info || Date.now() - info.mtimeMs < olderThanMs) continue
    await reachable(() => rm(path, { recursive: true, force: true }))
    removed++
  }
  return removed
}

/** ListMultipartUploads, as the client gives its XML: one upload is an object, several are a list, none is nothing. */
const Upload = z.object({ Key: z.string(), UploadId: z.string(), Initiated: z.string() })
const Uploads = z.object({
  ListMultipartUploadsResult: z.object({ Upload: z.union([Upload, z.array(Upload)]).optional() }),
})
/** A service that cannot list them ends them by a rule of its own, if at all. */
const NOT_IMPLEMENTED = 501

async function abortOld(client: S3mini, prefix: string, olderThanMs: number): Promise<number> {
  const answer: unknown = await client.listMultipartUploads('/', prefix, 'GET', { prefix }).catch((cause: unknown) => {
    if ((cause as { status?: unknown }).status === NOT_IMPLEMENTED) return undefined
    throw unreachable(cause)
  })
  if (answer === undefined) return 0
  const { Upload: found = [] } = Uploads.parse(answer).ListMultipartUploadsResult
  const old = [found].flat().filter(({ Key, Initiated }) => {
    return Key.startsWith(prefix) && Date.now() - Date.parse(Initiated) >= olderThanMs
  })
  for (const { Key, UploadId } of old) await asked(() => client.abortMultipartUpload(Key, UploadId))
  return old.length
}

/** Asks again what may go well the second time: requests here are idempotent. */
async function asked<T>(request: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await request()
    } catch (cause) {
      const status = (cause as { status?: unknown }).status
      const isFinal = typeof status === 'number' && status < 500 && status !== 429
      if (isFinal || tries === TRIES) throw unreachable(cause)
    }
  }
}

function unreachable(cause: unknown): SandboxError {
  return new SandboxError('backup_unavailable', 'The bucket where backups are kept cannot be used.', { cause })
}
