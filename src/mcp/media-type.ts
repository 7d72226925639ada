import { imageType } from '../tools/images/image-type.ts'

/**
 * Types of files that clients show in a way of their own, by the end of the name (RFC 7763 and others; what IANA has registered). Names are
 * chosen in the sandbox and prove nothing: the content decides whether a file is text.
 */
const BY_EXTENSION: Readonly<Record<string, string>> = {
  css: 'text/css',
  csv: 'text/csv',
  htm: 'text/html',
  html: 'text/html',
  js: 'text/javascript',
  json: 'application/json',
  md: 'text/markdown',
  mjs: 'text/javascript',
  svg: 'image/svg+xml',
  tsv: 'text/tab-separated-values',
  xml: 'application/xml',
  yaml: 'application/yaml',
  yml: 'application/yaml',
}
const BINARY_BY_EXTENSION: Readonly<Record<string, string>> = {
  gif: 'image/gif',
  gz: 'application/gzip',
  jpeg: 'image/jpeg',
  jpg: 'image/jpeg',
  pdf: 'application/pdf',
  png: 'image/png',
  webp: 'image/webp',
  zip: 'application/zip',
}

/** What a file seems to be, while only its name is known; undefined when that says nothing. */
export function mediaTypeOfName(path: string): string | undefined {
  const end = extensionOf(path)
  return lookUp(BY_EXTENSION, end) ?? lookUp(BINARY_BY_EXTENSION, end)
}

/** The type of text. */
export function mediaTypeOfText(path: string): string {
  return lookUp(BY_EXTENSION, extensionOf(path)) ?? 'text/plain'
}

/** The type of what is no text: an image by its first bytes, since clients decode it at once. */
export function mediaTypeOfBytes(path: string, bytes: Buffer): string {
  const named = lookUp(BINARY_BY_EXTENSION, extensionOf(path))
  return imageType(bytes) ?? (named?.startsWith('image/') ? undefined : named) ?? 'application/octet-stream'
}

function extensionOf(path: string): string {
  return /\.([a-z0-9]{1,5})$/i.exec(path)?.[1]?.toLowerCase() ?? ''
}

function lookUp(table: Readonly<Record<string, string>>, extension: string): string | undefined {
  return Object.hasOwn(table, extension) ? table[extension] : undefined
}
