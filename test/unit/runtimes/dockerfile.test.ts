import { describe, expect, test } from 'vitest'
import { parseDefinition } from '../../../src/runtimes/definition.ts'
import { describeInstruction, dockerfileOf } from '../../../src/runtimes/dockerfile.ts'

function dockerfile(change: Record<string, unknown>): string {
  const definition = parseDefinition({ name: 'mine', description: 'Mine.', base_image: 'a:1', ...change }, 'test')
  return dockerfileOf(definition, 'sandbox-mcp/from:0123', definition.base.packages)
}

describe('the Dockerfile of a runtime', () => {
  test('installs, sets up, adds the supervisor, seals and checks, in this order', () => {
    const text = dockerfile({
      packages: [
        { package_manager: 'apt', packages: ['git', 'g++'] },
        { package_manager: 'pip', packages: ['numpy>=2,<3'] },
        { package_manager: 'npm', packages: ['@types/node'] },
        { package_manager: 'cargo', packages: ['ripgrep'] },
        { package_manager: 'node', packages: ['node@24.21.0'] },
      ],
      setup_commands: ['echo "$HOME" > /etc/motd && true'],
      env_vars: { B: '2', A: 'a "quoted" $HOME \\ value' },
      check: ['python3', '-c', 'import numpy'],
    })
    expect(text).toMatchInlineSnapshot(`
      "FROM sandbox-mcp/from:0123
      USER 0:0
      WORKDIR /
      ENV A="a \\"quoted\\" \\$HOME \\\\ value"
      ENV B="2"
      RUN --mount=type=bind,source=build,target=/run/sandbox-build --mount=type=tmpfs,target=/tmp --mount=type=tmpfs,target=/var/cache/apt --mount=type=tmpfs,target=/var/lib/apt/lists ["/bin/sh","/run/sandbox-build/step.sh","apt","git","g++"]
      RUN --mount=type=bind,source=build,target=/run/sandbox-build --mount=type=tmpfs,target=/tmp --mount=type=cache,target=/root/.cache/pip ["/bin/sh","/run/sandbox-build/step.sh","pip","numpy>=2,<3"]
      RUN --mount=type=bind,source=build,target=/run/sandbox-build --mount=type=tmpfs,target=/tmp --mount=type=cache,target=/root/.npm ["/bin/sh","/run/sandbox-build/step.sh","npm","@types/node"]
      RUN --mount=type=bind,source=build,target=/run/sandbox-build --mount=type=tmpfs,target=/tmp --mount=type=cache,target=/root/.cargo/registry ["/bin/sh","/run/sandbox-build/step.sh","cargo","ripgrep"]
      RUN --mount=type=bind,source=build,target=/run/sandbox-build --mount=type=tmpfs,target=/tmp ["/bin/sh","/run/sandbox-build/step.sh","node","node@24.21.0"]
      RUN --mount=type=bind,source=build,target=/run/sandbox-build --mount=type=tmpfs,target=/tmp ["/bin/sh","/run/sandbox-build/step.sh","run","echo \\"$HOME\\" > /etc/motd && true"]
      COPY ["rootfs/","/"]
      RUN --mount=type=bind,source=build,target=/run/sandbox-build ["/bin/sh","/run/sandbox-build/seal.sh","/workspace"]
      WORKDIR /workspace
      USER 65534:65534
      RUN --mount=type=tmpfs,target=/tmp ["python3","-c","import numpy"]
      ENTRYPOINT ["/.sandbox/supervisor","init"]
      CMD []
      "
    `)
  })

  test('is the same whatever the order of the variables', () => {
    expect(dockerfile({ env_vars: { A: '1', B: '2' } })).toBe(dockerfile({ env_vars: { B: '2', A: '1' } }))
  })

  test('takes a new argument into each step when images are not to be cached', () => {
    const lines = dockerfile({ cache_image: false, setup_commands: ['date'] }).split('\n')
    expect(lines.indexOf('ARG SANDBOX_BUILD')).toBeGreaterThan(0)
    expect(lines.indexOf('ARG SANDBOX_BUILD')).toBeLessThan(lines.findIndex((line) => line.startsWith('RUN')))
    expect(dockerfile({ setup_commands: ['date'] })).not.toContain('ARG')
  })

  test.each([
    '"], "/bin/evil", ["',
    "'; evil; '",
    '$(evil) `evil`',
    '<<EOF',
    'a \\',
    '--mount=type=bind,source=/,target=/x',
    '# syntax=evil',
  ])('hands the shell line %j to the shell as one argument', (command) => {
    const line =
      dockerfile({ setup_commands: [command] })
        .split('\n')
        .find((each) => each.includes('"run",')) ?? ''
    const argv: unknown = JSON.parse(line.slice(line.indexOf('["')))
    expect(argv).toEqual(['/bin/sh', '/run/sandbox-build/step.sh', 'run', command])
    expect(line).toMatch(/^RUN (--mount=\S+ )+\["\/bin\/sh",/)
  })
})

describe('an instruction is described', () => {
  test.each([
    ['RUN ["/bin/sh","/run/sandbox-build/step.sh","pip","numpy","pandas"]', 'pip numpy pandas'],
    ['RUN ["/bin/sh","/run/sandbox-build/step.sh","pip","numpy","pan', 'pip numpy pan'],
    ['RUN ["/bin/sh","/run/sandbox-build/seal.sh","/workspace"]', 'seal'],
    ['COPY [rootfs/,/]', 'COPY [rootfs/,/]'],
  ])('%j as %j', (instruction, described) => {
    expect(describeInstruction(instruction)).toBe(described)
  })
})
