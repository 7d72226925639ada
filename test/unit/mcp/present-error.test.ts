import { describe, expect, test } from 'vitest'
import { SandboxError } from '../../../src/errors/sandbox-error.ts'
import { presentError } from '../../../src/mcp/present-error.ts'
import { recordingLogger } from '../../helpers/recording-logger.ts'

const SCENE = { user: 'alice', tool: 'read_file' }

describe('errors as the model reads them', () => {
  test('a SandboxError is its code, what happened and what to do', () => {
    const { logger, lines } = recordingLogger()
    const error = new SandboxError('disk_full', 'No space is left for a.txt.', { details: { errno: 'ENOSPC' } })
    expect(presentError(error, SCENE, logger)).toBe(
      'disk_full: No space is left for a.txt. Delete files that are not needed, then try again. The old content is still there.',
    )
    expect(lines).toMatchObject([{ level: 'debug', fields: { ...SCENE, code: 'disk_full' } }])
  })

  test('an excerpt stands below, and never in the log', () => {
    const { logger, lines } = recordingLogger()
    const error = new SandboxError('no_match', 'It is not there.', { hint: 'Look:', excerpt: '1\tsecret' })
    expect(presentError(error, SCENE, logger)).toBe('no_match: It is not there. Look:\n1\tsecret')
    expect(JSON.stringify(lines)).not.toContain('secret')
  })

  test('an engine that fails is worth a warning in the log', () => {
    const { logger, lines } = recordingLogger()
    presentError(new SandboxError('engine_unreachable', 'Docker does not answer.'), SCENE, logger)
    expect(lines.map(({ level }) => level)).toEqual(['warn'])
  })

  test.each([new TypeError('cannot read /srv/secret/config.json'), 'a string', undefined, { code: 1 }])(
    'anything else shows only an incident id, under which the log has it: %s',
    (error) => {
      const { logger, lines } = recordingLogger()
      const text = presentError(error, SCENE, logger)
      const incident = /^internal: The server failed\. .*incident ([0-9a-f]{12})\.$/.exec(text)?.[1]
      expect(incident).toBeDefined()
      expect(text).not.toContain('secret')
      expect(lines).toEqual([
        { level: 'error', fields: { ...SCENE, incident, err: error }, message: expect.any(String) },
      ])
    },
  )

  test('an internal SandboxError keeps its message and gets an incident too', () => {
    const { logger, lines } = recordingLogger()
    const text = presentError(new SandboxError('internal', 'The sandbox could not do it (io).'), SCENE, logger)
    expect(text).toMatch(/^internal: The sandbox could not do it \(io\)\. .*incident [0-9a-f]{12}\.$/)
    expect(lines.map(({ level }) => level)).toEqual(['error'])
  })
})
