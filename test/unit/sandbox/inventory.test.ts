import { describe, expect, test } from 'vitest'
import { parseSystem } from '../../../src/sandbox/inventory.ts'
import { WireError } from '../../../src/supervisor/errors.ts'
import { FakeSupervisor } from '../../helpers/fake-supervisor.ts'

const OUTPUT = [
  '@@inventory os',
  'Debian GNU/Linux 12 (bookworm)',
  '@@inventory kernel',
  '6.1.0-1-amd64',
  '@@inventory architecture',
  'x86_64',
  '@@inventory python3',
  'Python 3.11.2',
  '@@inventory bash',
  'GNU bash, version 5.2.15(1)-release (x86_64-pc-linux-gnu)',
  'Copyright (C) 2022',
  '@@inventory perl',
  'v5.36.0',
  '@@inventory jq',
  'jq-1.6',
  '@@inventory rg',
  'nonsense',
  '',
].join('\n')

describe('the inventory', () => {
  test('reads the system and the versions', () => {
    expect(parseSystem(OUTPUT)).toEqual({
      os: 'Debian GNU/Linux 12 (bookworm)',
      kernel: '6.1.0-1-amd64',
      architecture: 'x86_64',
      programs: { python3: '3.11.2', bash: '5.2.15', perl: '5.36.0', jq: '1.6', rg: 'unknown' },
    })
  })

  test('what is not there is left out', () => {
    expect(parseSystem('')).toEqual({ os: undefined, kernel: undefined, architecture: undefined, programs: {} })
  })

  test('hostile output is bounded and shown safely', () => {
    const inventory = parseSystem(
      `@@inventory os\n${'\x1b[31m\u202e'.repeat(1000)}\n@@inventory node\nv${'1.'.repeat(90_000)}1\n`,
    )
    expect(inventory.os?.length).toBeLessThan(1000)
    expect(inventory.os).not.toMatch(/[\x1b\u202e]/)
    expect(inventory.programs['node']?.length).toBeLessThanOrEqual(80)
  })

  test('a container is asked once; another one is asked anew', async () => {
    const fake = new FakeSupervisor()
    fake.script({ stdout: OUTPUT })
    const { inventory } = fake.sandbox()
    await Promise.all([inventory.system(), inventory.system()])
    await inventory.system()
    expect(fake.started).toHaveLength(1)
    fake.connection.hello.bootId = Buffer.alloc(16, 2)
    await inventory.system()
    expect(fake.started).toHaveLength(2)
  })

  test('a failure is not remembered', async () => {
    const fake = new FakeSupervisor()
    const { inventory } = fake.sandbox()
    fake.onStart = () => new WireError('too_many', 0)
    await expect(inventory.system()).rejects.toMatchObject({ code: 'sandbox_limit' })
    fake.onStart = undefined
    fake.script({ stdout: OUTPUT })
    expect((await inventory.system()).programs).toHaveProperty('python3')
  })

  test.each([
    ['["v24.1.0",true,["--a"]]', { version: '24.1.0', typescript: true, options: new Set(['--a']) }],
    ['not json', undefined],
    ['', undefined],
    ['{}', { version: 'undefined', typescript: false, options: new Set() }],
  ])('node says %j', async (stdout, expected) => {
    const fake = new FakeSupervisor()
    fake.script({ stdout })
    expect(await fake.sandbox().inventory.node()).toEqual(expected)
  })

  test('no node is no failure', async () => {
    const fake = new FakeSupervisor()
    fake.onStart = () => new WireError('not_found', 2)
    expect(await fake.sandbox().inventory.node()).toBeUndefined()
  })
})
