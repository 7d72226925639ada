const SIZE = /^(\d+(?:\.\d+)?)\s*(b|k|kb|kib|m|mb|mib|g|gb|gib|t|tb|tib)?$/i
const SIZE_EXPONENT: Readonly<Record<string, number>> = { b: 0, k: 1, m: 2, g: 3, t: 4 }
const DURATION = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?$/i
const DURATION_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** "512MiB", "512m", "1.5g", 1048576 → bytes. Units are powers of 1024, as the container engines read them. undefined if it is no size. */
export function parseBytes(text: string): number | undefined {
  const match = SIZE.exec(text.trim())
  if (!match) return undefined
  const exponent = SIZE_EXPONENT[(match[2] ?? 'b').charAt(0).toLowerCase()] ?? 0
  return Math.round(Number(match[1]) * 1024 ** exponent)
}

/** "30m", "45s", "1.5h", "250ms" → milliseconds; a bare number is seconds. undefined if it is no duration. */
export function parseDuration(text: string): number | undefined {
  const match = DURATION.exec(text.trim())
  if (!match) return undefined
  return Math.round(Number(match[1]) * (DURATION_MS[(match[2] ?? 's').toLowerCase()] ?? 1000))
}

const SIZE_NAMES = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

/** 1536 → "1.5 KiB". */
export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  // 1023.95 KiB and more would be rounded to "1024 KiB".
  while (value >= (unit === 0 ? 1024 : 1023.95) && unit < SIZE_NAMES.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? value : trimZero(value.toFixed(1))} ${SIZE_NAMES[unit]}`
}

/** 1234 → "1.2 s", 90000 → "1 min 30 s", 12 → "12 ms". */
export function formatDuration(ms: number): string {
  // The borders are where rounding would reach the next unit.
  if (ms < 999.5) return `${ms < 9.95 ? trimZero(ms.toFixed(1)) : Math.round(ms)} ms`
  if (ms < 59_950) return `${trimZero((ms / 1000).toFixed(1))} s`
  const seconds = Math.round(ms / 1000)
  const hours = Math.floor(seconds / 3600)
  const minutes = Math.floor((seconds % 3600) / 60)
  const parts = [
    hours > 0 ? `${hours} h` : '',
    minutes > 0 ? `${minutes} min` : '',
    seconds % 60 > 0 ? `${seconds % 60} s` : '',
  ]
  return parts.filter(Boolean).join(' ')
}

function trimZero(text: string): string {
  return text.endsWith('.0') ? text.slice(0, -2) : text
}

/** "1 file", "1,200 files". */
export function counted(count: number, noun: string): string {
  return `${count.toLocaleString('en-US')} ${noun}${count === 1 ? '' : 's'}`
}
