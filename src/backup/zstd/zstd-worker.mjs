// @ts-check
/**
 * Runs in a worker thread: compresses and decompresses single frames with libzstd as WebAssembly, where Node itself has no zstd. Plain
 * JavaScript, because a worker is loaded by file name, from the sources in tests as from the build.
 */
import { parentPort } from 'node:worker_threads'
import { compress, decompress, init } from '@bokuweb/zstd-wasm'

await init()

parentPort?.on('message', (/** @type {import('./codec.ts').WorkerTask} */ { id, action, data, level }) => {
  try {
    const result = action === 'compress' ? compress(data, level) : decompress(data)
    // A worker's port has no origin to name.
    // oxlint-disable-next-line unicorn/require-post-message-target-origin
    parentPort?.postMessage({ id, result })
  } catch (error) {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin
    parentPort?.postMessage({ id, error: String(error) })
  }
})
