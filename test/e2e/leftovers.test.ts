import { expect, test } from 'vitest'
import { randomBytes } from 'node:crypto'
import { useDocker } from '../helpers/docker.ts'
import { removeLeftovers } from '../helpers/no-leftovers.ts'
import { startServer } from '../helpers/start-server.ts'
import { installationPrefix, TEST_LABEL } from '../helpers/test-label.ts'

const docker = useDocker()

test('what a run leaves behind is named and removed: labelled containers and volumes, and sandboxes of its servers', async () => {
  const runId = randomBytes(6).toString('hex')
  const labels = { [TEST_LABEL]: runId }
  expect(await removeLeftovers(docker.engine, runId)).toEqual([])
  const { spec } = await docker.container({ labels })
  await docker.engine.volumes.ensure(docker.name('v'), labels)
  {
    await using server = await startServer({ user: 'left', installation: `${installationPrefix(runId)}1` })
    await server.exec('true')
  }
  const leftovers = await removeLeftovers(docker.engine, runId)
  expect(leftovers).toEqual([
    `container ${spec.name}`,
    expect.stringMatching(/^container sandbox-mcp-/),
    expect.stringContaining('volume '),
    expect.stringMatching(/^volume sandbox-mcp-/),
    expect.stringMatching(/^volume sandbox-mcp-.*-owner$/),
  ])
  expect(await removeLeftovers(docker.engine, runId)).toEqual([])
})
