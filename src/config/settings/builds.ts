import * as z from 'zod'
import { httpUrl, list, orEmpty } from '../fields.ts'
import type { Settings } from './setting.ts'

/** "host", "host:port", "host:port/path", as in an image reference. */
const registryHost = z
  .string()
  .regex(
    /^[a-zA-Z0-9.-]+(?::\d{1,5})?(?:\/[a-z0-9._-]+)*$/,
    'give the host of a registry, such as "mirror.example.com:5000"',
  )

/** Definitions as objects in the config file, as JSON text elsewhere. Each is checked by the catalogue, which knows their schema. */
const definitions = z.union([z.array(z.unknown()), z.string()]).transform((given, context): readonly unknown[] => {
  if (typeof given !== 'string') return given
  if (given === '') return []
  try {
    const parsed: unknown = JSON.parse(given)
    if (Array.isArray(parsed)) return parsed
  } catch {
    // Told below, with the form that is wanted.
  }
  context.addIssue({ code: 'custom', message: 'give a JSON array of runtime definitions' })
  return z.NEVER
})

/** What images of runtimes are made of, and where packages come from. */
export const BUILDS = {
  runtimesDir: {
    schema: z.string(),
    fallback: '',
    about: 'Folder with runtimes of your own, laid out as the built-in one; a name that is there already is replaced.',
  },
  customRuntimes: {
    schema: definitions,
    fallback: '',
    about:
      'Runtimes of your own, each of the form of a runtime.json: an array in the config file. They come after those of folders.',
  },
  imageMirrors: {
    schema: list(registryHost),
    fallback: '',
    about: 'Registries that mirror docker.io, asked for base images in this order before docker.io itself.',
  },
  buildNetwork: {
    schema: z.enum(['default', 'host', 'none']),
    fallback: 'default',
    about: 'Network of the steps of a build: that of the engine’s containers, the host’s own, or none.',
  },
  buildCa: {
    schema: z.string(),
    fallback: '',
    about:
      'File of certificates (PEM) that builds and downloads of packages trust in place of the public ones. Not kept in images.',
  },
  pipIndex: {
    schema: list(httpUrl),
    fallback: '',
    about:
      'Python indexes that builds and install_packages use; the first is in place of pypi.org. May hold user:password; not kept in images.',
  },
  pipTrustedHost: {
    schema: list(z.string().regex(/^[A-Za-z0-9.:[\]-]+$/, 'give a host or host:port')),
    fallback: '',
    about: 'Hosts of Python indexes that may be used without TLS.',
  },
  npmRegistry: {
    schema: orEmpty(httpUrl),
    fallback: '',
    about: 'npm registry that builds and install_packages use. May hold user:password; not kept in images.',
  },
  cargoIndex: {
    schema: orEmpty(httpUrl),
    fallback: '',
    about:
      'Sparse registry of crates that builds and install_packages use in place of crates.io. May hold user:password, or a token in place of the user; not kept in images.',
  },
  aptMirror: {
    schema: orEmpty(httpUrl),
    fallback: '',
    about:
      'Debian mirror that builds and install_packages use, with debian/ and debian-security/ below it. May hold user:password; not kept in images.',
  },
} as const satisfies Settings
