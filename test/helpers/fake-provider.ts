import type {
  AcquireOptions,
  ExistingOptions,
  LeaseNotice,
  SandboxLease,
  SandboxProvider,
} from '../../src/registry/lease.ts'
import { FakeControl } from './fake-control.ts'
import { FakeSupervisor } from './fake-supervisor.ts'

/** Hands out leases on sandboxes in memory, one for each user, and counts those that are held. */
export class FakeProvider implements SandboxProvider {
  readonly acquired: string[] = []
  held = 0
  notice: LeaseNotice | undefined
  /** What acquire() does before it gives the lease: fail, wait or report. */
  before: (options: AcquireOptions) => void | Promise<void> = () => {}
  readonly controls = new Map<string, FakeControl>()
  readonly #supervisors = new Map<string, FakeSupervisor>()

  supervisor(user: string): FakeSupervisor {
    const known = this.#supervisors.get(user) ?? new FakeSupervisor()
    this.#supervisors.set(user, known)
    return known
  }

  control(user: string): FakeControl {
    const known = this.controls.get(user) ?? new FakeControl()
    this.controls.set(user, known)
    return known
  }

  /** Users whose sandbox sleeps; that of anybody else runs from the first acquire on. */
  readonly asleep = new Set<string>()

  async acquireExisting(user: string, { wake, ...options }: ExistingOptions): Promise<SandboxLease | undefined> {
    const exists = this.acquired.includes(user) && (wake || !this.asleep.has(user))
    return exists ? await this.acquire(user, options) : undefined
  }

  async acquire(user: string, options: AcquireOptions): Promise<SandboxLease> {
    this.acquired.push(user)
    await this.before(options)
    this.held++
    return { sandbox: this.supervisor(user).sandbox(), notice: this.notice, release: () => void this.held-- }
  }
}
