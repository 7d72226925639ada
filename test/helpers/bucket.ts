import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

/** A bucket in memory that speaks as much of S3 as the client uses, on loopback. Whether requests are signed well it does not check. */
export interface Bucket {
  readonly endpoint: string
  readonly objects: Map<string, Buffer>
  /** Parts of uploads that are not complete, by id. */
  readonly uploads: Map<
    string,
    { readonly key: string; readonly parts: Map<number, Buffer>; readonly initiated: string }
  >
  /** Answers the next requests that match with this status. */
  fail: { readonly matches: (method: string, url: URL) => boolean; readonly status: number } | undefined
}

export async function bucket(): Promise<Bucket> {
  const server = createServer((request, response) => void handle(made, request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const made: Bucket = {
    endpoint: `http://127.0.0.1:${port}/bucket`,
    objects: new Map(),
    uploads: new Map(),
    fail: undefined,
  }
  return made
}

async function handle(made: Bucket, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', made.endpoint)
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece as Buffer)
  const { method = 'GET' } = request
  if (made.fail?.matches(method, url)) {
    response.writeHead(made.fail.status).end('<Error><Code>Broken</Code></Error>')
    return
  }
  const { status, body = '', etag } = answer(made, method, url, Buffer.concat(pieces))
  response.writeHead(status, etag === undefined ? {} : { etag: `"${etag}"` }).end(body)
}

interface Answer {
  readonly status: number
  readonly body?: string | Buffer
  readonly etag?: string
}

function answer(made: Bucket, method: string, url: URL, data: Buffer): Answer {
  const key = decodeURIComponent(url.pathname).replace(/^\/bucket\/?/, '')
  const query = url.searchParams
  const uploadId = query.get('uploadId')
  if (uploadId !== null) return ofUpload(made, method, uploadId, Number(query.get('partNumber')), data)
  if (query.has('uploads') && method === 'POST') {
    const id = `upload-${made.uploads.size + 1}`
    made.uploads.set(id, { key, parts: new Map(), initiated: new Date().toISOString() })
    const body = `<InitiateMultipartUploadResult><Bucket>bucket</Bucket><Key>${key}</Key><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`
    return { status: 200, body }
  }
  if (query.has('uploads')) return { status: 200, body: uploadsXml(made) }
  if (method === 'GET' && key === '') return { status: 200, body: listXml(made, query.get('prefix') ?? '') }
  if (method === 'PUT') made.objects.set(key, data)
  if (method === 'DELETE') made.objects.delete(key)
  const object = made.objects.get(key)
  if (method === 'DELETE') return { status: 204 }
  return object ? { status: 200, body: method === 'GET' ? object : '', etag: 'e' } : { status: 404 }
}

function ofUpload(made: Bucket, method: string, id: string, part: number, data: Buffer): Answer {
  const upload = made.uploads.get(id)
  if (!upload) return { status: 404 }
  if (method === 'PUT') {
    upload.parts.set(part, data)
    return { status: 200, etag: `part-${part}` }
  }
  made.uploads.delete(id)
  if (method === 'DELETE') return { status: 204 }
  const parts = [...upload.parts].sort(([a], [b]) => a - b).map(([, content]) => content)
  made.objects.set(upload.key, Buffer.concat(parts))
  const body = `<CompleteMultipartUploadResult><Location>x</Location><Bucket>bucket</Bucket><Key>${upload.key}</Key><ETag>"e"</ETag></CompleteMultipartUploadResult>`
  return { status: 200, body }
}

function uploadsXml({ uploads }: Bucket): string {
  const each = [...uploads].map(
    ([id, { key, initiated }]) =>
      `<Upload><Key>${key}</Key><UploadId>${id}</UploadId><Initiated>${initiated}</Initiated></Upload>`,
  )
  return `<ListMultipartUploadsResult><Bucket>bucket</Bucket><IsTruncated>false</IsTruncated>${each.join('')}</ListMultipartUploadsResult>`
}

function listXml({ objects }: Bucket, prefix: string): string {
  const each = [...objects]
    .filter(([key]) => key.startsWith(prefix))
    .map(
      ([key, { length }]) =>
        `<Contents><Key>${key}</Key><LastModified>${new Date().toISOString()}</LastModified><ETag>"e"</ETag><Size>${length}</Size></Contents>`,
    )
  return `<ListBucketResult><Name>bucket</Name><IsTruncated>false</IsTruncated><KeyCount>${each.length}</KeyCount>${each.join('')}</ListBucketResult>`
}
