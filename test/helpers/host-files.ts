import type { HostFiles } from '../../src/lib/handover.ts'
import { SandboxError } from '../../src/errors/sandbox-error.ts'

/** Files of a host in memory. */
export interface MemoryHost extends HostFiles {
  readonly files: Map<string, string>
  /** Sources and targets that nobody has closed. */
  readonly stillOpen: number
}

/** A host with these files, which takes 100 bytes a file. */
export function hostOf(content: Readonly<Record<string, string>>): MemoryHost {
  const files = new Map(Object.entries(content))
  let stillOpen = 0
  const close = () => Promise.resolve(void stillOpen--)
  return {
    files,
    get stillOpen() {
      return stillOpen
    },
    maxBytes: 100,
    open(path) {
      const found = files.get(path)
      if (found === undefined) return Promise.reject(new SandboxError('not_found', `${path} is not there.`))
      stillOpen++
      return Promise.resolve({ content: pieces(found), [Symbol.asyncDispose]: close })
    },
    create(name) {
      stillOpen++
      const written: Uint8Array[] = []
      return Promise.resolve({
        write: (chunk) => Promise.resolve(void written.push(chunk)),
        commit() {
          files.set(`/share/${name}`, Buffer.concat(written).toString())
          return Promise.resolve(`/share/${name}`)
        },
        [Symbol.asyncDispose]: close,
      })
    },
  }
}

async function* pieces(content: string): AsyncIterable<Uint8Array> {
  yield await Promise.resolve(Buffer.from(content))
}
