import * as z from 'zod'
import { integer, userName } from '../fields.ts'
import type { Settings } from './setting.ts'

/** How clients reach the server, and whose sandbox they get without naming anybody. */
export const SERVING = {
  transport: {
    schema: z.enum(['stdio', 'http']),
    fallback: 'stdio',
    about: 'How clients connect: one client over stdin and stdout, or many over HTTP.',
  },
  user: {
    schema: userName,
    fallback: 'local',
    about: 'Whose sandbox this server serves over stdio. The same user reaches the same sandbox from every client.',
  },
  host: {
    schema: z.string().regex(/^[A-Za-z0-9.:-]+$/, 'give a host name or an address'),
    fallback: '127.0.0.1',
    about: 'Address that HTTP listens on. Everything but this machine’s loopback needs authentication.',
  },
  port: { schema: integer(0, 65_535), fallback: 8080, about: 'Port that HTTP listens on. 0 = any free one.' },
} as const satisfies Settings
