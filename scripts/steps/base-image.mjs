import { createReadStream, rmSync } from 'node:fs'

import { findBaseImage, labels, ownImage, recipe, recipeDigest, registryImage } from '../lib/base-image.mjs'
import { EngineApiError, progressOf } from '../lib/engine-api.mjs'
import { machine } from '../lib/machine.mjs'
import { SetUpError } from '../lib/steps.mjs'
import { bootstrapBaseSystem, bootstrapTools } from './base-system.mjs'
import { installSystemPackages } from './system-packages.mjs'

/** A registry that is silent for so long, at the start or in the middle, counts as unreachable. */
const silenceMs = 20_000

/**
 * Sees to it that the engine has a base image: the one it has, else `rootfs` when one was made already, else one from the registry,
 * else one made from Debian's packages.
 */
export async function ensureBaseImage(step, { api }, rootfs) {
  const present = await findBaseImage(api)
  if (present) return { summary: `${present} is there` }
  if (rootfs) return importBaseImage(step, api, rootfs)

  const refusal = await pull(step, api)
  if (refusal === undefined) return { summary: `pulled ${registryImage.reference}` }
  if (!machine.canInstall) throw new SetUpError(noBaseImage(refusal))
  await installSystemPackages(step, bootstrapTools())
  return importBaseImage(step, api, await bootstrapBaseSystem(step))
}

/** Pulls the registry's image. Gives why that failed, or undefined. */
async function pull(step, api) {
  step.doing(`pulling ${registryImage.reference}`)
  const silence = new AbortController()
  const timer = setTimeout(() => silence.abort(new Error('the registry does not answer')), silenceMs)
  try {
    const query = { fromImage: registryImage.repository, tag: registryImage.tag }
    const response = await api.open('POST', '/images/create', {
      query,
      signal: AbortSignal.any([silence.signal, step.signal]),
    })
    for await (const { status, progress } of progressOf(response)) {
      timer.refresh()
      if (progress) step.progress(`pulling ${registryImage.reference}: ${status}`)
    }
    return undefined
  } catch (error) {
    if (error instanceof EngineApiError || silence.signal.aborted) return silence.signal.reason ?? error
    throw error
  } finally {
    clearTimeout(timer)
  }
}

/** Imports a root file system. The image gets its name last, so that a half-imported one is never taken for the base. */
async function importBaseImage(step, api, rootfs) {
  step.doing('importing the root file system')
  const changes = [
    `ENV ${Object.entries(recipe.environment)
      .map(([name, value]) => `${name}=${value}`)
      .join(' ')}`,
    `LABEL ${labels.role}=base ${labels.digest}=${recipeDigest}`,
    'CMD ["bash"]',
  ]
  const query = new URLSearchParams([['fromSrc', '-'], ...changes.map((change) => ['changes', change])])
  const body = createReadStream(rootfs)
  const response = await api.open('POST', '/images/create', {
    query,
    body,
    contentType: 'application/x-tar',
    signal: step.signal,
  })
  let id
  for await (const { status } of progressOf(response)) id = status
  const previous = await api.find(`/images/${ownImage.reference}/json`)
  await api.call('POST', `/images/${id}/tag`, { query: { repo: ownImage.repository, tag: ownImage.tag } })
  if (previous && previous.Id !== id) await removeUnlessUsed(api, previous.Id)
  rmSync(rootfs)
  return { summary: `${ownImage.reference} made from Debian's packages` }
}

async function removeUnlessUsed(api, imageId) {
  try {
    await api.call('DELETE', `/images/${imageId}`)
  } catch (error) {
    const isUsed = error instanceof EngineApiError && error.status === 409
    if (!isUsed) throw error
  }
}

function noBaseImage(refusal) {
  return `there is no base image, and ${registryImage.reference} cannot be pulled (${refusal.message}).
Make a registry reachable, or bring the image with "docker load", and run this again. Root on Debian or Ubuntu needs no registry.`
}
