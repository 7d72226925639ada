import { isAbsolute } from 'node:path'
import * as z from 'zod'
import { bytes, duration, list } from '../fields.ts'
import type { Settings } from './setting.ts'

/** Bytes that go past the model: uploads, downloads, files of the host. */
export const TRANSFER = {
  transferSize: {
    schema: bytes(1024 ** 2),
    fallback: '4GiB',
    about: 'Most bytes of one upload over HTTP, or of one file that goes to or comes from the host over stdio.',
  },
  ticketTtl: {
    schema: duration(1000),
    fallback: '15m',
    about: 'How long the one-time URLs of upload and download are good for, at most.',
  },
  hostDir: {
    schema: list(z.string().refine(isAbsolute, 'give absolute paths')),
    fallback: '',
    about:
      'Directories of this machine that upload may read files from over stdio (host_path), separated by commas; download writes into ' +
      'the first. Empty: none.',
  },
} as const satisfies Settings
