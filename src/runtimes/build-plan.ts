import type { Engine } from '../engine/engine.ts'
import { type BuildSteps, readBuildSteps } from './build-steps.ts'
import type { BaseChoice, RuntimeDefinition } from './definition.ts'
import type { ImageIngredients } from './digest.ts'
import { dockerfileOf } from './dockerfile.ts'
import { readSupervisor, type SupervisorBinary } from './supervisor-binary.ts'

/** What an image is made of, its base apart. */
export interface BuildPlan {
  readonly supervisor: SupervisorBinary
  readonly steps: BuildSteps
  readonly ingredients: ImageIngredients
}

export interface PlannerOptions {
  readonly engine: Pick<Engine, 'info'>
  /** Folder of the supervisor binaries, when not the package's own. */
  readonly supervisorDir?: string | undefined
  /** Of what looks new images over; "" where nothing does. */
  readonly measureSha256: string
}

/** Says what images are made of on this engine. */
export class BuildPlanner {
  readonly #options: PlannerOptions
  #platform: Promise<string> | undefined

  constructor(options: PlannerOptions) {
    this.#options = options
  }

  /** Rejects when the engine does not answer, or there is no supervisor for its platform. */
  async plan(definition: RuntimeDefinition, choice: BaseChoice): Promise<BuildPlan> {
    const { supervisorDir, measureSha256 } = this.#options
    const platform = await this.#enginePlatform()
    const [supervisor, steps] = await Promise.all([readSupervisor(platform, supervisorDir), readBuildSteps()])
    return {
      supervisor,
      steps,
      ingredients: {
        name: definition.name,
        dockerfile: dockerfileOf(definition, 'base', choice.packages),
        stepsSha256: steps.sha256,
        supervisorSha256: supervisor.sha256,
        measureSha256,
        platform,
      },
    }
  }

  /** Asked once; a failure is forgotten, so that the next call asks again. */
  #enginePlatform(): Promise<string> {
    this.#platform ??= this.#options.engine.info().then(
      ({ platform }) => platform,
      (error: unknown) => {
        this.#platform = undefined
        throw error
      },
    )
    return this.#platform
  }
}
