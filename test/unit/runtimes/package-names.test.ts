import { describe, expect, test } from 'vitest'
import { packageFault, type PackageManager } from '../../../src/runtimes/package-names.ts'

const ACCEPTED: Readonly<Record<PackageManager, readonly string[]>> = {
  apt: ['git', 'g++', 'libstdc++6', 'python3.11', 'git=1:2.39.5-0+deb12u2'],
  pip: [
    'requests',
    'ruamel.yaml',
    'requests[socks,use_chardet_on_py3]',
    'numpy>=2,<3',
    'x==1.0.post1',
    'torch==2.1.0+cpu',
    'a~=1.2',
    'a==1.*',
  ],
  npm: ['vite', '@types/node', 'vite@6', 'vite@^6.1.0', '@scope/pkg.js@latest', 'x@1.0.0-beta.1', 'lodash.merge'],
  cargo: ['ripgrep', 'cargo-edit', 'ripgrep@14.1.1'],
  node: ['node@24.21.0', 'npm@11.21.2'],
}
const REFUSED: Readonly<Record<PackageManager, readonly string[]>> = {
  apt: [
    '-y',
    '--option=APT::Get::AllowUnauthenticated=1',
    './evil.deb',
    '/tmp/evil.deb',
    'git-',
    'Git',
    'a b',
    'git/testing',
    '?name(x)',
    '*',
  ],
  pip: [
    '-r',
    '--index-url',
    './evil',
    '/tmp/evil.whl',
    'git+https://evil',
    'a @ https://evil',
    'a;python_version>"3"',
    'a b',
    '$(x)',
    'a==1 ',
    'a\n',
  ],
  npm: [
    '-g',
    '--registry=x',
    './evil',
    '../x',
    'file:x',
    'git://x',
    'user/repo',
    'a@npm:b',
    'a@https://x',
    'A',
    '@scope',
    'a b',
    'a@file:x',
  ],
  cargo: ['--git', 'https://evil', './x', '../x', 'a@latest', '0a', 'a b'],
  node: ['node', 'node@latest', 'node@24', 'deno@1.0.0', 'node@24.21.0-evil', 'node@../../x'],
}
const table = (names: typeof ACCEPTED) =>
  Object.entries(names).flatMap(([manager, list]) => list.map((name) => [manager as PackageManager, name] as const))

describe('a package name', () => {
  test.each(table(ACCEPTED))('for %s may be %j', (manager, name) => {
    expect(packageFault(manager, name)).toBeUndefined()
  })

  test.each([...table(REFUSED), ...table(ACCEPTED).map(([manager]) => [manager, ''] as const)])(
    'for %s may not be %j',
    (manager, name) => {
      expect(packageFault(manager, name)).toContain(`is no ${manager} package: write it as `)
    },
  )

  test('has a bound on its length', () => {
    expect(packageFault('pip', 'a'.repeat(214))).toBeUndefined()
    expect(packageFault('pip', 'a'.repeat(215))).toBeDefined()
  })
})
