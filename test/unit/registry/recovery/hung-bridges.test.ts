import { expect, test } from 'vitest'
import { HungBridges } from '../../../../src/registry/recovery/hung-bridges.ts'

function setUp() {
  let now = 0
  return { bridges: new HungBridges(() => now), wait: (ms: number) => (now += ms) }
}

test('one sandbox whose bridge hangs is its own matter, however often', () => {
  const { bridges, wait } = setUp()
  for (let times = 0; times < 5; times++) {
    expect(bridges.hung('a')).toBe(false)
    wait(10_000)
  }
})

test('two at the same time are the engine’s', () => {
  const { bridges, wait } = setUp()
  bridges.hung('a')
  wait(5000)
  expect(bridges.hung('b')).toBe(true)
  expect(bridges.hung('a')).toBe(true)
})

test('two are each its own when a bridge into a third was opened since', () => {
  const { bridges } = setUp()
  bridges.hung('a')
  bridges.opened()
  expect(bridges.hung('b')).toBe(false)
})

test('two long after each other are each its own', () => {
  const { bridges, wait } = setUp()
  bridges.hung('a')
  wait(61_000)
  expect(bridges.hung('b')).toBe(false)
})

test('after two minutes each is its own matter after all, or two users with broken sandboxes would keep each other waiting', () => {
  const { bridges, wait } = setUp()
  bridges.hung('a')
  bridges.hung('b')
  for (let passed = 0; passed < 120_000; passed += 30_000) {
    wait(30_000)
    bridges.hung('a')
    bridges.hung('b')
  }
  expect(bridges.hung('a')).toBe(false)
  expect(bridges.hung('b')).toBe(false)
})
