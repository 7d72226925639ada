import { existsSync, readFileSync } from 'node:fs'

import { which } from './command.mjs'

/** What set-up may do on this machine. */
export const machine = {
  isLinux: process.platform === 'linux',
  isRoot: process.getuid?.() === 0,
  /** Root on a distribution of the Debian family: missing system packages can be installed without asking anybody. */
  get canInstall() {
    return this.isLinux && this.isRoot && isDebianFamily() && which('apt-get') !== undefined
  },
  /** sd_booted(3): systemd runs this machine. */
  get hasSystemd() {
    return existsSync('/run/systemd/system')
  },
}

/** os-release(5): ID is the distribution, ID_LIKE those it derives from. */
function isDebianFamily() {
  if (!existsSync('/etc/os-release')) return false
  const text = readFileSync('/etc/os-release', 'utf8')
  const words = [...text.matchAll(/^ID(?:_LIKE)?=(.*)$/gm)].flatMap(([, value]) => value.replaceAll('"', '').split(' '))
  return words.includes('debian') || words.includes('ubuntu')
}
