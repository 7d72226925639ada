import { readFileSync } from 'node:fs'

/** Clock ticks per second in /proc/PID/stat (proc_pid_stat(5)); 100 on every Linux that Node supports. */
const TICKS_PER_SECOND = 100

/** CPU time of a process so far, in milliseconds. */
export function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? []
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND
}

/** Resident memory of a process, in bytes: now, or the highest so far. */
export function rssBytes(pid: number, which: 'VmRSS' | 'VmHWM' = 'VmRSS'): number {
  const match = new RegExp(`${which}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, 'latin1'))
  return Number(match?.[1]) * 1024
}

/** Memory that the kernel says is available, in bytes. */
export function memAvailable(): number {
  return Number(/MemAvailable:\s+(\d+) kB/.exec(readFileSync('/proc/meminfo', 'latin1'))?.[1]) * 1024
}
