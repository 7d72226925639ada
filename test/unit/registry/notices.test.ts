import { describe, expect, test } from 'vitest'
import { settle } from '../../helpers/pass-time.ts'
import { registryLab } from '../../helpers/registry-lab.ts'

const ADA = 'ada'

describe('notices', () => {
  test('say recreated when another server made it anew', async () => {
    const lab = await registryLab()
    const [first, second] = [lab.server(), lab.server()]
    ;(await first.acquire(ADA)).release()
    const container = await lab.container(ADA)
    await lab.engine.containers.remove(container?.id ?? '')
    await settle()
    expect((await second.acquire(ADA)).notice).toBe('resumed')
    expect((await first.acquire(ADA)).notice).toBe('recreated')
    expect((await first.acquire(ADA)).notice).toBeUndefined()
  })

  test('say resumed when it died between two calls', async () => {
    const lab = await registryLab()
    const server = lab.server()
    ;(await server.acquire(ADA)).release()
    lab.engine.kill((await lab.container(ADA))?.id ?? '')
    await settle()
    const leases = await Promise.all([server.acquire(ADA), server.acquire(ADA)])
    expect(leases.map(({ notice }) => notice)).toEqual(['resumed', 'resumed'])
  })

  test('are not lost when it died within a call, which made it anew', async () => {
    const lab = await registryLab()
    const server = lab.server()
    const { sandbox } = await server.acquire(ADA)
    lab.engine.kill((await lab.container(ADA))?.id ?? '')
    await settle()
    await sandbox.files.stat('/')
    expect((await server.acquire(ADA)).notice).toBe('resumed')
    expect((await server.acquire(ADA)).notice).toBeUndefined()
  })

  test('say nothing when only the connection was lost', async () => {
    const lab = await registryLab()
    const server = lab.server()
    await server.acquire(ADA)
    for (const connection of (await lab.supervisorOf(ADA)).connections) connection.program.cut()
    await settle()
    expect((await server.acquire(ADA)).notice).toBeUndefined()
    expect(lab.calls('containers.create')).toBe(1)
  })
})
