import { SandboxError } from '../errors/sandbox-error.ts'
import { oneLine } from '../lib/visible-text.ts'
import type { Caller } from '../registry/caller.ts'
import type { ResourceContents, ResourceListing, ResourceTemplateListing } from './protocol.ts'

/** One kind of resources. None of its methods starts a sandbox that nobody asked for. */
export interface ResourceProvider {
  /** The families that it has; the same for every caller. */
  readonly templates: readonly ResourceTemplateListing[]
  /** What the caller has of it, bounded: some clients read every resource that is listed. */
  list(caller: Caller, signal: AbortSignal): Promise<readonly ResourceListing[]>
  /** The content; undefined when the URI is not one of this kind. Rejects with SandboxError (`not_found`, …) when it is, but cannot be read. */
  read(caller: Caller, uri: string, signal: AbortSignal): Promise<readonly ResourceContents[] | undefined>
  /** Values that a variable of one of the templates may have, by how they begin. Absent: it completes nothing. */
  complete?(caller: Caller, request: Completion, signal: AbortSignal): Promise<readonly string[]>
}

/** What a client asks to have completed. */
export interface Completion {
  readonly uriTemplate: string
  /** Name of the variable. */
  readonly variable: string
  /** What has been typed. */
  readonly value: string
}

/** At most so many values are in one answer (MCP 2025-11-25, server/utilities/completion). */
export const MAX_COMPLETIONS = 100

/** All kinds of resources as one. */
export class Resources {
  readonly #providers: readonly ResourceProvider[]

  constructor(providers: readonly ResourceProvider[]) {
    this.#providers = providers
  }

  get templates(): readonly ResourceTemplateListing[] {
    return this.#providers.flatMap(({ templates }) => templates)
  }

  get canComplete(): boolean {
    return this.#providers.some(({ complete }) => complete !== undefined)
  }

  async list(caller: Caller, signal: AbortSignal): Promise<readonly ResourceListing[]> {
    return (await Promise.all(this.#providers.map((each) => each.list(caller, signal)))).flat()
  }

  /** Rejects with `not_found` when no kind knows the URI. */
  async read(caller: Caller, uri: string, signal: AbortSignal): Promise<readonly ResourceContents[]> {
    for (const provider of this.#providers) {
      const contents = await provider.read(caller, uri, signal)
      if (contents) return contents
    }
    throw new SandboxError('not_found', `Unknown resource ${oneLine(uri, 80)}.`, {
      hint: 'See resources/list and resources/templates/list for those that there are.',
    })
  }

  async complete(caller: Caller, request: Completion, signal: AbortSignal): Promise<readonly string[]> {
    const provider = this.#providers.find(({ templates }) =>
      templates.some(({ uriTemplate }) => uriTemplate === request.uriTemplate),
    )
    return (await provider?.complete?.(caller, request, signal)) ?? []
  }
}
