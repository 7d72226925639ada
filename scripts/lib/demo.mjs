/** A first program: what an agent would write. */
const program = `import csv, statistics, sys

rows = list(csv.DictReader(open(sys.argv[1])))
by_city = {}
for row in rows:
    by_city.setdefault(row["city"], []).append(float(row["celsius"]))
print(f"{len(rows)} readings of {len(by_city)} cities, Python {sys.version.split()[0]}")
with open("report.md", "w") as report:
    report.write("| city | mean | highest |\\n|---|---|---|\\n")
    for city, values in sorted(by_city.items()):
        report.write(f"| {city} | {statistics.mean(values):.1f} | {max(values):.1f} |\\n")
`

/** Made-up readings, the same at every run. */
const readings = 'city,celsius\nLagos,27.4\nOslo,3.1\nQuito,14.9\nLagos,29.0\nOslo,-2.6\nQuito,13.2\n'

/** What confines the sandbox, as seen from inside. */
const facts = [
  'echo "user       $(id)"',
  'echo "kernel     $(uname -sr)"',
  `awk '/^(CapEff|NoNewPrivs|Seccomp):/ { printf "%-10s %s\\n", substr($1, 1, length($1) - 1), $2 }' /proc/self/status`,
  `cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null | awk '{ printf "memory     %d MiB\\n", $1 / 1048576 }'`,
  'echo "root       $(touch /usr/bin/x 2>&1)"',
  'echo "engine     $(ls /var/run/docker.sock 2>&1)"',
  'echo "network    $(ls /sys/class/net | xargs)"',
].join('\n')

const dial = `import socket
try:
    socket.create_connection(("1.1.1.1", 443), timeout=2)
    print("connected")
except OSError as error:
    print("refused:", error)`

/** Plays a first session that shows what the product is. Each call and its result are printed. */
export async function playSession(session) {
  const folder = 'quickstart'
  await session.show('Write a program. The first call also starts the sandbox.', 'write_file', {
    path: `${folder}/report.py`,
    content: program,
  })
  await session.show('Bring data.', 'upload', { path: `${folder}/readings.csv`, content: readings })
  await session.show('Run it.', 'shell_exec', { command: 'python3 report.py readings.csv', cwd: folder })
  await session.show('What came of it?', 'list_files', { path: folder })
  await session.show('Read the result.', 'read_file', { path: `${folder}/report.md` })

  await session.show('What is this sandbox, seen from inside?', 'shell_exec', { command: facts })
  await session.show('Can it reach the network?', 'shell_exec', { command: 'python3 -', stdin: dial })
  await showBackgroundProcess(session)
}

async function showBackgroundProcess(session) {
  const started = await session.show('Leave something running …', 'shell_exec', {
    command: 'for i in $(seq 1000); do echo "tick $i"; sleep 0.2; done',
    wait_s: 0,
  })
  const { process_id } = started.structuredContent
  await session.show('… wait until it has said something …', 'process_read', {
    process_id,
    until: 'tick 4',
    wait_s: 10,
  })
  await session.show('… and end it.', 'process_write', { process_id, signal: 'term' })
}
