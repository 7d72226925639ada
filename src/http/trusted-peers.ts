import { BlockList, isIP } from 'node:net'
import type { Config } from '../config/settings.ts'

/** Tells whether an address is one of the configured proxies, whose headers about a client are believed. */
export function trustedPeers({
  trustedProxies,
}: Pick<Config, 'trustedProxies'>): (address: string | undefined) => boolean {
  const listed = new BlockList()
  for (const each of trustedProxies) {
    const [address = '', bits] = each.split('/')
    const family = familyOf(address)
    if (bits === undefined) listed.addAddress(address, family)
    else listed.addSubnet(address, Number(bits), family)
  }
  return (address) => address !== undefined && isIP(address) !== 0 && listed.check(address, familyOf(address))
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4'
}
