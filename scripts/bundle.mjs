import { copyFileSync, mkdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'

import { serverFolder } from './lib/bundle-manifest.mjs'
import { unpackServer } from './lib/packed-server.mjs'
import { cacheDir, root } from './lib/paths.mjs'
import { StepFailed, Steps } from './lib/steps.mjs'

// `npm run bundle`: makes the MCP bundle, dist-bundle/sandbox-mcp.mcpb, which Claude Desktop installs with one click.
const contents = join(cacheDir, 'bundle')
const bundle = join(root, 'dist-bundle', 'sandbox-mcp.mcpb')
const mcpb = join(root, 'node_modules', '@anthropic-ai', 'mcpb', 'dist', 'cli', 'cli.js')

const steps = new Steps()
try {
  await steps.run('bundle', [], async (step) => {
    rmSync(contents, { recursive: true, force: true })
    await unpackServer(step, join(contents, serverFolder))
    copyFileSync(join(root, 'bundle', 'manifest.json'), join(contents, 'manifest.json'))

    step.doing('writing the bundle')
    mkdirSync(join(root, 'dist-bundle'), { recursive: true })
    // Checks the manifest first.
    await step.run(process.execPath, [mcpb, 'pack', contents, bundle])
    return { summary: `dist-bundle/sandbox-mcp.mcpb, ${(statSync(bundle).size / 1024 ** 2).toFixed(1)} MiB` }
  })
} catch (error) {
  if (!(error instanceof StepFailed)) throw error
  process.exitCode = 1
} finally {
  await steps.close()
}
