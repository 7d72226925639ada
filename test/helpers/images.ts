import type { Engine } from '../../src/engine/engine.ts'

/** The image that tests of containers use: Debian bookworm with python3, made by `npm run setup`. */
export const BASE_IMAGE = 'sandbox-mcp/base:bookworm'

/** Fails with one clear error when the base image is not there. */
export async function requireBaseImage(engine: Engine): Promise<void> {
  if (await engine.images.inspect(BASE_IMAGE)) return
  throw new Error(`The image ${BASE_IMAGE} is not on the container engine. Run \`npm run setup\` first.`)
}
