/** The package managers that a runtime definition may use. `node` is for a base without npm: it takes Node.js from npm's registry. */
export const PACKAGE_MANAGERS = ['apt', 'pip', 'npm', 'cargo', 'node'] as const
export type PackageManager = (typeof PACKAGE_MANAGERS)[number]

const VERSION = '[A-Za-z0-9][A-Za-z0-9.!+*_-]*'

/**
 * A package by name and version, from the configured index alone. No form that is a path, a URL or an option: those would let a
 * definition take code from anywhere, or change the meaning of the command.
 */
const FORMS: Readonly<Record<PackageManager, { readonly pattern: RegExp; readonly example: string }>> = {
  // Debian policy, section 5.6.1; a trailing "-" would mean "remove" to apt-get.
  apt: { pattern: /^[a-z0-9][a-z0-9+.-]*[a-z0-9+](?:=[A-Za-z0-9.+:~-]+)?$/, example: 'git or git=1:2.39.5-0+deb12u2' },
  // PEP 508 without URLs and markers.
  pip: {
    pattern: new RegExp(
      String.raw`^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?(?:\[[A-Za-z0-9._-]+(?:,[A-Za-z0-9._-]+)*\])?(?:(?:===?|[<>~!]=|[<>])${VERSION}(?:,(?:===?|[<>~!]=|[<>])${VERSION})*)?$`,
    ),
    example: 'requests, requests[socks]==2.32.3 or "numpy>=2,<3"',
  },
  // npm's validate-npm-package-name, and a version, range or tag.
  npm: {
    pattern: /^(?:@[a-z0-9][a-z0-9._~-]*\/)?[a-z0-9][a-z0-9._~-]*(?:@[~^<>=]{0,2}[A-Za-z0-9][A-Za-z0-9.+*-]*)?$/,
    example: 'vite, @types/node or vite@^6',
  },
  cargo: {
    pattern: /^[A-Za-z][A-Za-z0-9_-]{0,63}(?:@[~^<>=]{0,2}[0-9][A-Za-z0-9.+*-]*)?$/,
    example: 'ripgrep or ripgrep@14.1.1',
  },
  node: { pattern: /^(?:node|npm)@\d{1,3}\.\d{1,4}\.\d{1,4}$/, example: 'node@24.21.0 or npm@11.21.2' },
}
const MAX_LENGTH = 214

/** Why `name` cannot be given to `manager`, with how to write it; undefined when it can. */
export function packageFault(manager: PackageManager, name: string): string | undefined {
  const { pattern, example } = FORMS[manager]
  if (name.length <= MAX_LENGTH && pattern.test(name)) return undefined
  return `${JSON.stringify(name.slice(0, 80))} is no ${manager} package: write it as ${example}`
}
