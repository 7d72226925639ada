import type { Config } from '../config/settings.ts'
import type { Engine } from '../engine/engine.ts'
import type { Logger } from '../lib/logger.ts'
import type { Telemetry } from '../lib/telemetry.ts'
import { BUILT_IN_DIR, Catalogue } from '../runtimes/catalogue.ts'
import { PackageFetcher } from '../runtimes/fetch/package-fetcher.ts'
import { RuntimeImages } from '../runtimes/image-builder.ts'
import { ImageJanitor } from '../runtimes/image-janitor.ts'
import { measureImage, measureSha256 } from '../runtimes/measure.ts'
import type { PackageSources } from '../runtimes/package-sources.ts'
import { SUPERSEDED_KEPT_MS } from '../runtimes/prune-images.ts'

/** What sandboxes are made of. */
export interface ConnectedImages {
  readonly catalogue: Catalogue
  readonly images: RuntimeImages
  readonly janitor: ImageJanitor
  /** Downloads for install_packages, from where builds get theirs. */
  readonly packages: PackageFetcher
}

/** `config_invalid` for a runtime of the operator's that is not one. */
export function connectImages(config: Config, engine: Engine, logger: Logger, telemetry: Telemetry): ConnectedImages {
  const catalogue = Catalogue.load(
    [BUILT_IN_DIR, ...(config.runtimesDir ? [config.runtimesDir] : [])],
    config.customRuntimes,
  )
  const packageSources = packageSourcesOf(config)
  const images = new RuntimeImages({
    engine,
    catalogue,
    logger,
    telemetry,
    imageMirrors: config.imageMirrors,
    buildNetwork: config.buildNetwork,
    measure: {
      sha256: measureSha256(),
      of: (image, aptPackages) => measureImage(engine, image, aptPackages),
    },
    packageSources,
    onBuilt: () => janitor.built(),
  })
  const janitor = new ImageJanitor({ prune: () => images.prune(catalogue.names, SUPERSEDED_KEPT_MS), logger })
  const packages = new PackageFetcher({
    engine,
    sources: packageSources,
    network: config.installNetwork,
    maxBytes: config.installSize,
    ociRuntime: config.ociRuntime || undefined,
    runtimes: catalogue.names,
  })
  return { catalogue, images, janitor, packages }
}

function packageSourcesOf(config: Config): PackageSources {
  return {
    pipIndexes: config.pipIndex,
    pipTrustedHosts: config.pipTrustedHost,
    npmRegistry: config.npmRegistry || undefined,
    cargoIndex: config.cargoIndex || undefined,
    aptMirror: config.aptMirror || undefined,
    certificatesFile: config.buildCa || undefined,
  }
}
