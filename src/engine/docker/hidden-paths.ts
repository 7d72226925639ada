/**
 * Paths of /proc and /sys that the runtime hides: a file is covered by /dev/null, a directory by an empty read-only tmpfs. One that
 * the kernel does not have is left out by the runtime.
 *
 * The list is sent in full. Leaving it out gives the engine's default, which is shorter; an empty list would hide nothing.
 */
export const MASKED_PATHS: readonly string[] = [
  // What engines hide by default: memory of the kernel, keys, hardware control, timing channels.
  '/proc/acpi',
  '/proc/asound',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
  // The boot line (tokens, disk ids), build options and symbols of the kernel: what a kernel exploit is chosen and aimed by.
  '/proc/cmdline',
  '/proc/config.gz',
  '/proc/kallsyms',
  '/proc/modules',
  // Disks and devices of the host, and what other tenants do with them.
  '/proc/diskstats',
  '/proc/interrupts',
  '/proc/partitions',
  '/sys/block',
  '/sys/devices/virtual/dmi',
  // Tracing, debugging, kernel configuration; pinned BPF objects.
  '/sys/fs/bpf',
  '/sys/kernel',
]

/** Paths that stay readable and cannot be written: the engines' default. /proc/sysrq-trigger reboots a host, /proc/sys tunes it. */
export const READONLY_PATHS: readonly string[] = [
  '/proc/bus',
  '/proc/fs',
  '/proc/irq',
  '/proc/sys',
  '/proc/sysrq-trigger',
]
