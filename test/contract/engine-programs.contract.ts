import { describe, expect, test } from 'vitest'
import type { EngineSubject } from './engine.contract.ts'
import { expectCode } from '../helpers/expect-code.ts'

const PROGRAM = { directory: '.contract-program', name: 'program', content: Buffer.from('#!/bin/sh\nexec cat\n') }

/** The part of the contract about programs that are put into a container of somebody else. */
export function describePrograms(getSubject: () => EngineSubject): void {
  describe('programs', () => {
    test('are put into a container that somebody else made, where putting them again changes nothing', async () => {
      const { engine, foreign } = getSubject()
      const id = await foreign()
      await engine.containers.putProgram(id, PROGRAM)
      await engine.containers.putProgram(id, PROGRAM)
      expect((await engine.containers.inspect(id))?.state).toBe('running')
    })

    test('are not put into a read-only root, nor where there is no container', async () => {
      const { engine, spec } = getSubject()
      const { id } = await engine.containers.create(await spec())
      await expectCode(engine.containers.putProgram(id, PROGRAM), 'engine_failed')
      await expectCode(engine.containers.putProgram(`${id.slice(0, 20)}none`, PROGRAM), 'not_found')
    })

    test('have plain names: no path of the container is followed', async () => {
      const { engine, foreign } = getSubject()
      const id = await foreign()
      for (const name of ['../tmp', 'tmp/x', '/etc'])
        for (const part of ['directory', 'name'] as const)
          await expectCode(engine.containers.putProgram(id, { ...PROGRAM, [part]: name }), 'invalid_argument')
    })
  })
}
