/** A point of a measured line. */
export interface Point {
  readonly x: number
  readonly y: number
}

/** The part of a run that is thrown away before a line is fitted: caches fill and code is compiled in it. */
const DROPPED = 1 / 3

/** What is left of a run when its first third, by x, is dropped. */
export function settled<T extends Point>(points: readonly T[]): T[] {
  const [from, to] = [points[0]?.x ?? 0, points.at(-1)?.x ?? 0]
  return points.filter(({ x }) => x >= from + (to - from) * DROPPED)
}

/** The line through points by least squares. */
export interface Line {
  /** In y per x. */
  readonly slope: number
  /** Standard error of the slope: how far the scatter of the points alone moves it. */
  readonly error: number
}

/** The most that neighbouring points may be taken to have in common: nearer to 1 the error would have no bound. */
const MAX_CORRELATION = 0.9

/**
 * A flat line for fewer than three points. Points in a row say much the same (what is busy at one moment is busy at the next), so they count
 * for fewer than they are: by n · (1 − r) / (1 + r), where r is the correlation of each deviation with the one before it (the effective
 * sample size of an autoregressive series of first order; von Storch and Zwiers, Statistical Analysis in Climate Research, §6.6).
 */
export function fitLine(points: readonly Point[]): Line {
  const mean = (of: (point: Point) => number) => sum(points.map(of)) / points.length
  const [x, y] = [mean((point) => point.x), mean((point) => point.y)]
  const spread = sum(points.map((point) => (point.x - x) ** 2))
  if (points.length < 3 || spread === 0) return { slope: 0, error: 0 }
  const slope = sum(points.map((point) => (point.x - x) * (point.y - y))) / spread
  const off = points.map((point) => point.y - y - slope * (point.x - x))
  const scatter = sum(off.map((each) => each ** 2))
  const inARow = sum(off.slice(1).map((each, at) => each * (off[at] ?? 0)))
  const correlation = scatter === 0 ? 0 : Math.min(MAX_CORRELATION, Math.max(0, inARow / scatter))
  const counted = Math.max(1, points.length * ((1 - correlation) / (1 + correlation)) - 2)
  return { slope, error: Math.sqrt(scatter / counted / spread) }
}

/** A point, and how busy it was at the time. */
export interface LoadedPoint extends Point {
  readonly load: number
}

/**
 * As {@link fitLine}, as if it had been equally busy all the time: what the load explains of x and of y is taken off both (the theorem of Frisch, Waugh and
 * Lovell: what is left has the slope that a regression by both would give x). What each call in flight holds is no trend when more of them come to be.
 */
export function fitAtEqualLoad(points: readonly LoadedPoint[]): Line {
  const withoutLoad = (of: (point: LoadedPoint) => number) => {
    const { slope } = fitLine(points.map((point) => ({ x: point.load, y: of(point) })))
    return (point: LoadedPoint) => of(point) - slope * point.load
  }
  const [x, y] = [withoutLoad((point) => point.x), withoutLoad((point) => point.y)]
  return fitLine(points.map((point) => ({ x: x(point), y: y(point) })))
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}
