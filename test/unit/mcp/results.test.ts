import { CallToolResultSchema } from '@modelcontextprotocol/sdk/types.js'
import { describe, expect, test } from 'vitest'
import { toErrorResult, toResult } from '../../../src/mcp/results.ts'

const STRUCTURED = { text: 'out', footer: '[exit 0]', structured: { status: 'exited' } }

describe('results', () => {
  test('images stand behind the text and the footer, without a structured form', () => {
    const images = ['aGk=', 'aG8='].map((base64) => ({ base64, mimeType: 'image/png' }))
    expect(toResult({ text: 'out', footer: '[exit 0]', images }, undefined)).toEqual({
      content: [
        { type: 'text', text: 'out' },
        { type: 'text', text: '[exit 0]' },
        ...images.map(({ base64, mimeType }) => ({ type: 'image', data: base64, mimeType })),
      ],
    })
  })

  test('with a structured form there are two text blocks, and no _meta', () => {
    const result = toResult(STRUCTURED, undefined)
    expect(result).toEqual({
      content: [
        { type: 'text', text: 'out' },
        { type: 'text', text: '[exit 0]' },
      ],
      structuredContent: { status: 'exited' },
    })
    expect(CallToolResultSchema.safeParse(result).success).toBe(true)
  })

  test('an image has its block and no structured form', () => {
    const result = toResult({ text: 'a.png', images: [{ base64: 'aGk=', mimeType: 'image/png' }] }, undefined)
    expect(result).toEqual({
      content: [
        { type: 'text', text: 'a.png' },
        { type: 'image', data: 'aGk=', mimeType: 'image/png' },
      ],
    })
    expect(CallToolResultSchema.safeParse(result).success).toBe(true)
  })

  test.each([
    ['created', 'sandbox created'],
    ['resumed', 'sandbox resumed: files kept, processes lost'],
    ['recreated', 'sandbox recreated: files in /workspace kept, processes lost'],
  ] as const)('a sandbox that was %s is told in both channels', (notice, text) => {
    const result = toResult(STRUCTURED, notice)
    expect(result.content[0]).toEqual({ type: 'text', text: `[${text}]\nout` })
    expect(result.structuredContent).toEqual({ status: 'exited', notice: text })
    expect(STRUCTURED.structured).not.toHaveProperty('notice')
  })

  test('an error is one text, with the notice when there is one', () => {
    expect(toErrorResult('not_found: a. Look.', 'recreated')).toEqual({
      content: [
        { type: 'text', text: '[sandbox recreated: files in /workspace kept, processes lost]\nnot_found: a. Look.' },
      ],
      isError: true,
    })
  })
})
