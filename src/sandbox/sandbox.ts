import type { Logger } from '../lib/logger.ts'
import { Commands } from './commands.ts'
import type { SandboxFacts } from './facts.ts'
import { Files } from './files.ts'
import { Inventory } from './inventory.ts'
import { directLink, type SandboxLink } from './link.ts'
import { tidy } from './tidy.ts'
import { type PackageSupply, Packages } from './packages.ts'
import { Processes } from './processes.ts'
import { AMPLE_SPACE, type Space } from './space.ts'
import { Transfer } from './transfer.ts'
import { UseMeter } from './use.ts'

/** What can be done with one user's sandbox. It outlives containers: the link behind it wakes and reconnects as needed. */
export class Sandbox {
  readonly facts: SandboxFacts
  readonly commands: Commands
  readonly processes: Processes
  readonly files: Files
  readonly transfer: Transfer
  readonly inventory: Inventory
  readonly packages: Packages
  readonly use: UseMeter
  readonly #link: SandboxLink
  readonly space: Space

  constructor(
    link: SandboxLink,
    facts: SandboxFacts,
    supply: PackageSupply,
    logger: Logger,
    space: Space = AMPLE_SPACE,
  ) {
    this.#link = link
    this.facts = facts
    this.space = space
    this.commands = new Commands(link, facts, logger, space)
    this.processes = new Processes(link, facts, space)
    this.files = new Files(link, facts, space)
    this.transfer = new Transfer(this.files)
    this.inventory = new Inventory(link, this.commands)
    this.packages = new Packages(facts, this.commands, this.files, supply, space)
    this.use = new UseMeter(link, facts, this.files)
  }

  /** Removes what servers that were killed have left in the workspace; see {@link tidy}. Of a sandbox that ends meanwhile it wakes nothing. */
  async tidy(isNewBoot: boolean): Promise<number> {
    const client = await this.#link.client()
    return await tidy(client, new Files(directLink(client), this.facts), isNewBoot)
  }
}
