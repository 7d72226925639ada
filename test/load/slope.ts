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

/** A flat line for fewer than three points. */
export function fitLine(points: readonly Point[]): Line {
  const count = points.length
  const mean = (of: (point: Point) => number) => points.reduce((sum, point) => sum + of(point), 0) / count
  const [x, y] = [mean((point) => point.x), mean((point) => point.y)]
  const spread = points.reduce((sum, point) => sum + (point.x - x) ** 2, 0)
  if (count < 3 || spread === 0) return { slope: 0, error: 0 }
  const slope = points.reduce((sum, point) => sum + (point.x - x) * (point.y - y), 0) / spread
  const scatter = points.reduce((sum, point) => sum + (point.y - y - slope * (point.x - x)) ** 2, 0)
  return { slope, error: Math.sqrt(scatter / (count - 2) / spread) }
}
