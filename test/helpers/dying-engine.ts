import type { Engine } from '../../src/engine/engine.ts'

/** Thrown by an engine whose process is taken to be dead. */
export class Died extends Error {}

/** The calls that change something. */
const CHANGES = /^(?:containers\.(?:create|start|pause|unpause|remove|openStream)|volumes\.(?:ensure|remove))$/

/**
 * A view of an engine that a process has until it dies: before, or right after, its n-th change; from then on nothing of it reaches the engine.
 * `isDead` tells whether it came so far.
 */
export function dyingEngine(
  engine: Engine,
  n: number,
  when: 'before' | 'after',
): { view: Engine; isDead: () => boolean } {
  let changes = 0
  let dead = false
  const guarded = <T extends object>(group: string, target: T): T =>
    new Proxy(target, {
      get(of, name, receiver) {
        const member: unknown = Reflect.get(of, name, receiver)
        if (typeof member !== 'function') return member
        return async (...args: unknown[]) => {
          if (dead) throw new Died('dead')
          const isLast = CHANGES.test(`${group}.${String(name)}`) && ++changes === n
          if (isLast && when === 'before') dead = true
          if (dead) throw new Died('dead')
          const result: unknown = await member.apply(of, args)
          if (isLast) dead = true
          if (dead) throw new Died('dead')
          return result
        }
      },
    })
  const view = new Proxy(engine, {
    get(of, name, receiver) {
      const member: unknown = Reflect.get(of, name, receiver)
      return name === 'containers' || name === 'volumes' ? guarded(name, member as object) : member
    },
  })
  return { view, isDead: () => dead }
}
