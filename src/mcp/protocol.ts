/**
 * What MCP servers say, in the form that both generations of the SDK take as it is. No SDK is named here, nor anywhere in this folder but in
 * the two binders.
 */

export type TextBlock = { type: 'text'; text: string }
/** `data` in base64. */
export type ImageBlock = { type: 'image'; data: string; mimeType: string }

/** The result of tools/call. */
export type CallResult = {
  content: (TextBlock | ImageBlock)[]
  structuredContent?: Record<string, unknown>
  isError?: boolean
}

type Json = string | number | boolean | null | Json[] | { [key: string]: Json }

/** JSON Schema (draft 2020-12) of an object. */
export type ObjectSchema = {
  type: 'object'
  properties?: { [name: string]: { [keyword: string]: Json } }
  [keyword: string]: unknown
}

/** A tool as tools/list gives it. */
export type ToolListing = {
  name: string
  title: string
  description: string
  inputSchema: ObjectSchema
  outputSchema?: ObjectSchema
  annotations: {
    title: string
    readOnlyHint: boolean
    destructiveHint: boolean
    idempotentHint: boolean
    openWorldHint: boolean
  }
}

/** A resource as resources/list gives it; `size` in bytes. */
export type ResourceListing = {
  uri: string
  name: string
  title?: string
  description?: string
  mimeType?: string
  size?: number
}

/** A family of resources (RFC 6570) as resources/templates/list gives it. */
export type ResourceTemplateListing = {
  uriTemplate: string
  name: string
  title?: string
  description?: string
  mimeType?: string
}

/** The content of a resource; `blob` in base64. */
export type ResourceContents =
  | { uri: string; mimeType?: string; text: string }
  | { uri: string; mimeType?: string; blob: string }
