import { isSandboxError, SandboxError } from '../errors/sandbox-error.ts'
import { archiveKey, BackupFacts, factsKey, idOfFacts } from './facts.ts'
import { parseDocument } from './manifest.ts'
import type { BackupTarget } from './target/target.ts'

const MAX_FACTS_BYTES = 64 * 1024

/** The backups of one user in a target. */
export class Shelf {
  readonly #target: BackupTarget
  readonly #userHash: string

  constructor(target: BackupTarget, userHash: string) {
    this.#target = target
    this.#userHash = userHash
  }

  /** Newest first. One whose facts cannot be read is left out: it must not hide the others. */
  async list(): Promise<readonly BackupFacts[]> {
    const keys = await this.#target.list(`${this.#userHash}/`)
    const ids = keys.flatMap(({ key }) => idOfFacts(key) ?? [])
    const found = await Promise.all(ids.map((id) => this.#facts(id).catch(ifDamaged)))
    return found.filter((facts) => facts !== undefined).sort((a, b) => (a.id < b.id ? 1 : -1))
  }

  /** `not_found` when there is none of this id. */
  async find(id: string): Promise<BackupFacts> {
    const facts = await this.#facts(id)
    if (facts) return facts
    throw new SandboxError('not_found', 'There is no such backup.', {
      hint: 'List the backups to see which there are.',
    })
  }

  /** Puts a finished archive, then its facts: it is listed when both are there as a whole. */
  async add(facts: BackupFacts, file: string, signal?: AbortSignal): Promise<void> {
    await this.#target.put(archiveKey(this.#userHash, facts.id), file, signal)
    try {
      await this.#target.putText(factsKey(this.#userHash, facts.id), `${JSON.stringify(facts, undefined, 2)}\n`)
    } catch (error) {
      // What cannot be removed now the next sweep of this user's shelf finds.
      await this.#target.remove(archiveKey(this.#userHash, facts.id)).catch(() => {})
      throw error
    }
  }

  read({ id }: BackupFacts, signal?: AbortSignal): AsyncIterable<Buffer> {
    return this.#target.read(archiveKey(this.#userHash, id), signal)
  }

  /** Facts first: what is half removed is not listed. */
  async remove(id: string): Promise<void> {
    await this.#target.remove(factsKey(this.#userHash, id))
    await this.#target.remove(archiveKey(this.#userHash, id))
  }

  /** Removes everything, also what cannot be read. */
  async clear(): Promise<void> {
    const keys = (await this.#target.list(`${this.#userHash}/`)).map(({ key }) => key)
    const isFacts = (key: string) => idOfFacts(key) !== undefined
    // As in remove().
    for (const key of keys.filter(isFacts)) await this.#target.remove(key)
    for (const key of keys.filter((each) => !isFacts(each))) await this.#target.remove(key)
  }

  /** Removes archives without facts: their writer died, or who removed them did. */
  async sweep(olderThanMs: number): Promise<number> {
    const objects = await this.#target.list(`${this.#userHash}/`)
    const ids = new Set(objects.flatMap(({ key }) => idOfFacts(key) ?? []))
    const stale = objects.filter(({ key, writtenMs }) => {
      const id = /\/([^/]+)\.tar\.zst$/.exec(key)?.[1]
      return id !== undefined && !ids.has(id) && Date.now() - writtenMs >= olderThanMs
    })
    for (const { key } of stale) await this.#target.remove(key)
    return stale.length
  }

  async #facts(id: string): Promise<BackupFacts | undefined> {
    const text = await this.#target.getText(factsKey(this.#userHash, id), MAX_FACTS_BYTES)
    if (text === undefined) return undefined
    const facts = parseDocument(BackupFacts, text, 'its facts')
    if (facts.id === id) return facts
    throw new SandboxError('backup_damaged', 'The facts of a backup are those of another one.')
  }
}

function ifDamaged(error: unknown): undefined {
  if (!isSandboxError(error, 'backup_damaged')) throw error
}
