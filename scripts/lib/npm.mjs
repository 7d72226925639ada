/**
 * [program, arguments] that call npm: the npm that runs this script, else the one on PATH. The first is called through node, because
 * Windows' npm.cmd cannot be spawned without a shell.
 */
export function npm(...args) {
  const running = process.env['npm_execpath']
  return running?.endsWith('npm-cli.js') ? [process.execPath, [running, ...args]] : ['npm', args]
}
