/** Numbers in [0, 1) that are the same in every run for the same seed (mulberry32), so that a failure can be repeated. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Bytes that are the same in every run for the same seed. */
export function seededBytes(length: number, seed = 1): Buffer {
  const random = seededRandom(seed)
  const bytes = Buffer.allocUnsafe(length)
  for (let at = 0; at < length; at++) bytes[at] = Math.floor(random() * 256)
  return bytes
}

/** Cuts `bytes` at random places; empty pieces occur too. */
export function randomPieces(bytes: Buffer, random: () => number, pieces: number): Buffer[] {
  const cuts = Array.from({ length: pieces - 1 }, () => Math.floor(random() * (bytes.length + 1))).sort((a, b) => a - b)
  return [0, ...cuts].map((start, index) => bytes.subarray(start, cuts[index] ?? bytes.length))
}
