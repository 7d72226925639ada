import { stopOwnEngine } from './lib/own-engine.mjs'

// Stops the engine that set-up has started on this machine, if it did and it still runs; says nothing.
await stopOwnEngine()
