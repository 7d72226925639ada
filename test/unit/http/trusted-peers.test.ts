import { expect, test } from 'vitest'
import { trustedPeers } from '../../../src/http/trusted-peers.ts'

const isTrusted = trustedPeers({ trustedProxies: ['10.0.0.0/8', '192.0.2.7', 'fd00::/8'] })

test.each(['10.0.0.1', '10.255.255.255', '192.0.2.7', '::ffff:10.0.0.1', '::ffff:192.0.2.7', 'fd12::1'])(
  '%s is listed',
  (address) => {
    expect(isTrusted(address)).toBe(true)
  },
)

test.each(['11.0.0.1', '192.0.2.8', '::ffff:11.0.0.1', 'fe80::1', '::1', '127.0.0.1', '', 'localhost', undefined])(
  '%s is not',
  (address) => expect(isTrusted(address)).toBe(false),
)

test('nobody is, where none is listed', () => {
  expect(trustedPeers({ trustedProxies: [] })('127.0.0.1')).toBe(false)
})
