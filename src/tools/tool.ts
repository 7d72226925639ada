import type * as z from 'zod'
import type { Handover } from '../lib/handover.ts'
import type { SandboxControl } from '../sandbox/control.ts'
import type { Sandbox } from '../sandbox/sandbox.ts'

/** What a tool that manages the whole sandbox gets for one call. None is started for it. */
export interface ControlContext {
  readonly control: SandboxControl
  /** Fires when the caller no longer wants the result. */
  readonly signal: AbortSignal
  /** Takes the newest line of output while the call goes on; undefined when nobody listens. */
  readonly onProgress?: ((text: string) => void) | undefined
}

/** What a tool gets for one call: a sandbox that runs. */
export interface ToolContext extends ControlContext {
  readonly sandbox: Sandbox
  /** Ways for bytes that need not pass through the model. */
  readonly handover: Handover
}

export interface ToolImage {
  readonly base64: string
  readonly mimeType: string
}

/**
 * Result of a tool without an output schema: one that can return images. Clients that are given a structured form show nothing else, so
 * it may stand here only where there are no images.
 */
export interface PlainOutcome {
  readonly text: string
  /** One line in square brackets. */
  readonly footer?: string
  readonly images?: readonly ToolImage[]
  readonly structured?: Readonly<Record<string, unknown>>
}

/**
 * Result of a tool with an output schema. Some clients show the model only the text and the footer, some only the structured
 * form, so each of the two says everything.
 */
export interface StructuredOutcome<Structured> {
  readonly text: string
  /** One line in square brackets. */
  readonly footer: string
  readonly structured: Structured
}

export type ToolOutcome<Output extends z.ZodObject | undefined> = Output extends z.ZodObject
  ? StructuredOutcome<z.output<Output>>
  : PlainOutcome

/** What a call may do to the world; becomes the MCP annotations. */
export interface ToolEffect {
  readonly readOnly: boolean
  /** It may overwrite or end something. */
  readonly destructive: boolean
  /** The same call twice does no more than once. */
  readonly idempotent: boolean
  /** Whose network it may reach, where there is one: the sandbox's, or that of the downloads of packages. */
  readonly reachesNetwork: false | 'sandbox' | 'indexes'
}

/** A tool, free of any protocol: schemas, what the model is told, and what it does in a sandbox. */
export interface ToolDefinition<
  Input extends z.ZodObject,
  Output extends z.ZodObject | undefined,
  Context extends ControlContext = ToolContext,
> {
  readonly name: string
  readonly title: string
  /** At most 600 characters, the key facts first. */
  readonly description: string
  readonly effect: ToolEffect
  /** Strict and flat. */
  readonly input: Input
  readonly output: Output
  /** Rejects with SandboxError when the tool could not do its job. */
  run(args: z.output<Input>, context: Context): Promise<ToolOutcome<Output>>
}

/** A tool of any schema, as the list and the caller of tools handle it. */
export type Tool = SandboxTool | ManagingTool

export interface SandboxTool extends Omit<ToolDefinition<z.ZodObject, z.ZodObject | undefined>, 'run'> {
  readonly manages?: undefined
  run(args: Record<string, unknown>, context: ToolContext): Promise<AnyOutcome>
}

/** One that needs no running sandbox. */
export interface ManagingTool extends Omit<ToolDefinition<z.ZodObject, z.ZodObject | undefined>, 'run'> {
  readonly manages: true
  run(args: Record<string, unknown>, context: ControlContext): Promise<AnyOutcome>
}

/** An outcome of any tool. */
export type AnyOutcome = PlainOutcome

/** Checks a tool's parts against each other at compile time. */
export function defineTool<Input extends z.ZodObject, Output extends z.ZodObject | undefined>(
  tool: ToolDefinition<Input, Output>,
): ToolDefinition<Input, Output> {
  return tool
}

/** As {@link defineTool}, for one that acts on the sandbox as a whole. */
export function defineManagingTool<Input extends z.ZodObject, Output extends z.ZodObject | undefined>(
  tool: ToolDefinition<Input, Output, ControlContext>,
): ToolDefinition<Input, Output, ControlContext> & { readonly manages: true } {
  return { ...tool, manages: true }
}
