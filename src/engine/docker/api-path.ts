import { SandboxError } from '../../errors/sandbox-error.ts'

/** Names and ids as Docker takes them for containers and volumes. */
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/
/** An image reference (distribution/reference), roughly: host, port, path, tag, digest. No "..", no query, no escape. */
const REFERENCE = /^[a-zA-Z0-9](?:[a-zA-Z0-9_:@/-]|\.(?!\.))*$/

/** "/containers/<name>/<call>", with a name that cannot change the path. Fails with `invalid_argument`. */
export function containerPath(idOrName: string, call = ''): string {
  return `/containers/${checked(idOrName, NAME, 'a container name')}${call}`
}

/** "/volumes/<name>" */
export function volumePath(name: string): string {
  return `/volumes/${checked(name, NAME, 'a volume name')}`
}

/** "/images/<reference>/<call>" */
export function imagePath(reference: string, call = ''): string {
  return `/images/${checked(reference, REFERENCE, 'an image reference')}${call}`
}

/** A reference in its two parts. Without a tag or digest it means the tag "latest"; Docker would otherwise pull every tag. */
export function splitReference(reference: string): { readonly repository: string; readonly tag: string } {
  checked(reference, REFERENCE, 'an image reference')
  const digest = reference.indexOf('@')
  if (digest !== -1) return { repository: reference.slice(0, digest), tag: reference.slice(digest + 1) }
  const colon = reference.lastIndexOf(':')
  // A colon before the last slash belongs to a port.
  if (colon <= reference.lastIndexOf('/')) return { repository: reference, tag: 'latest' }
  return { repository: reference.slice(0, colon), tag: reference.slice(colon + 1) }
}

function checked(value: string, pattern: RegExp, what: string): string {
  if (!pattern.test(value) || value.length > 512) {
    throw new SandboxError('invalid_argument', `${JSON.stringify(value.slice(0, 80))} is not ${what}.`)
  }
  return value
}

/** The `filters` query parameter that selects by labels. */
export function labelFilter(labels: Readonly<Record<string, string>>): string {
  return JSON.stringify({ label: Object.entries(labels).map(([name, value]) => `${name}=${value}`) })
}
