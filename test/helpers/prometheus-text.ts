/** One time series of a scrape. */
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** A scrape, read as strictly as the text exposition format 0.0.4 allows: anything that is not of it throws. */
export interface Scrape {
  readonly samples: readonly Sample[]
  /** "counter", "gauge", "histogram", "summary" by the name of the metric. */
  readonly types: ReadonlyMap<string, string>
  /** The sum over all series of this name whose labels include these; undefined when there is none. */
  value(name: string, labels?: Readonly<Record<string, string>>): number | undefined
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: -?\d+)?$/
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y
const VALUE = /^(?:[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?|[+-]Inf|NaN|Nan)$/i

export function parsePrometheusText(text: string): Scrape {
  if (!text.endsWith('\n')) throw new Error('the last line has no end')
  const types = new Map<string, string>()
  const samples: Sample[] = []
  for (const line of text.slice(0, -1).split('\n')) {
    if (line === '') continue
    const [, keyword, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(line) ?? []
    if (keyword === undefined) samples.push(readSample(line))
    else if (!NAME.test(name)) throw new Error(`not a name: ${line}`)
    else if (keyword === 'TYPE') {
      if (types.has(name)) throw new Error(`a second type: ${line}`)
      types.set(name, rest)
    }
  }
  const keys = samples.map((sample) => keyOf(sample.name, sample.labels))
  if (new Set(keys).size !== keys.length) throw new Error('a series is there twice')
  for (const sample of samples) if (!types.has(familyOf(sample.name, types))) throw new Error(`no type: ${sample.name}`)
  checkHistograms(samples, types)
  return {
    samples,
    types,
    value(name, labels = {}) {
      const found = samples.filter(
        (sample) =>
          sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
      )
      return found.length === 0 ? undefined : found.reduce((sum, sample) => sum + sample.value, 0)
    },
  }
}

function readSample(line: string): Sample {
  const [, name, inBraces = '', number = ''] = SAMPLE.exec(line) ?? []
  if (name === undefined || !VALUE.test(number)) throw new Error(`not a sample: ${line}`)
  const labels: Record<string, string> = {}
  LABEL.lastIndex = 0
  while (LABEL.lastIndex < inBraces.length) {
    const [, key, value] = LABEL.exec(inBraces) ?? []
    if (key === undefined || value === undefined || Object.hasOwn(labels, key)) throw new Error(`bad labels: ${line}`)
    labels[key] = value.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped))
  }
  return { name, labels, value: Number(number.replace('Inf', 'Infinity')) }
}

/** A histogram's series carry the name of the family and a suffix. */
function familyOf(name: string, types: ReadonlyMap<string, string>): string {
  const family = name.replace(/_(?:bucket|sum|count)$/, '')
  return types.get(family) === 'histogram' || types.get(family) === 'summary' ? family : name
}

/** Buckets only grow with their bound, and the last, +Inf, holds as many as the count. */
function checkHistograms(samples: readonly Sample[], types: ReadonlyMap<string, string>): void {
  const last = new Map<string, { le: number; value: number }>()
  for (const { name, labels, value } of samples) {
    const family = familyOf(name, types)
    if (types.get(family) !== 'histogram' || !name.endsWith('_bucket')) continue
    const { le, ...others } = labels
    const key = keyOf(family, others)
    const before = last.get(key) ?? { le: -Infinity, value: 0 }
    const bound = Number(le?.replace('Inf', 'Infinity'))
    if (!(bound > before.le) || value < before.value) throw new Error(`buckets out of order: ${key}`)
    last.set(key, { le: bound, value })
  }
  for (const { name, labels, value } of samples) {
    const family = familyOf(name, types)
    if (types.get(family) !== 'histogram' || !name.endsWith('_count')) continue
    const top = last.get(keyOf(family, labels))
    if (top?.le !== Infinity || top.value !== value) throw new Error(`count differs from the last bucket: ${family}`)
  }
}

function keyOf(name: string, labels: Readonly<Record<string, string>>): string {
  return `${name}${JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)))}`
}
