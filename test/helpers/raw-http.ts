import { once } from 'node:events'
import { connect } from 'node:net'

export interface RawAnswer {
  readonly status: number
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Sends bytes as they are, where HTTP clients would mend them, and reads until the server closes the connection. */
export async function sendRaw(address: URL, request: string): Promise<RawAnswer> {
  const socket = connect(Number(address.port), address.hostname)
  socket.setEncoding('latin1')
  let text = ''
  socket.on('data', (chunk: string) => (text += chunk))
  socket.write(request)
  await once(socket, 'close')
  return parseAnswer(text)
}

/** The first answer within the text of a connection. */
export function parseAnswer(text: string): RawAnswer {
  const end = text.indexOf('\r\n\r\n')
  const [status = '', ...lines] = text.slice(0, end).split('\r\n')
  const headers = lines.map((line) => {
    const at = line.indexOf(':')
    return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()]
  })
  return { status: Number(status.split(' ')[1]), headers: Object.fromEntries(headers), body: text.slice(end + 4) }
}
