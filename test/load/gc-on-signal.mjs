// Loaded before a server under test, with --expose-gc: SIGUSR2 collects garbage, so that what is still held can be told from what is not yet freed.
process.on('SIGUSR2', () => globalThis.gc())
