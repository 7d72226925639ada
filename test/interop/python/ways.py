"""What clients are told (how to reach the server, as JSON in an argument) and what they tell (one outcome for each way, as JSON on stdout)."""

import json
import sys
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import anyio

PNG = """
import struct, zlib
chunk = lambda kind, data: struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
header = struct.pack('>IIBBBBB', 2, 2, 8, 2, 0, 0, 0)
rows = zlib.compress((b'\\0' + b'\\xff\\0\\0' * 2) * 2)
open('red.png', 'wb').write(b'\\x89PNG\\r\\n\\x1a\\n' + chunk(b'IHDR', header) + chunk(b'IDAT', rows) + chunk(b'IEND', b''))
"""


@dataclass(frozen=True)
class Way:
    """`transport` is stdio (with command, args, env, cwd), http or sse (with url, headers); `mode` is legacy, auto or a revision.
    With `per_call`, each call has a session of its own."""

    transport: str
    mode: str
    per_call: bool = False
    command: str = ""
    args: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    cwd: str = "."
    url: str = ""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """The parts of a tool's result that every client has, under one name."""

    is_error: bool
    content: list[Any]
    structured: dict[str, Any] | None


Call = Callable[[str, dict[str, Any]], Awaitable[Answer]]


async def session(call: Call) -> dict[str, Any]:
    """Writes, reads, runs, lists, sees an image, and is refused: what is asked of every client."""
    await call("write_file", {"path": "note.txt", "content": "from Python\n"})
    read = await call("read_file", {"path": "note.txt"})
    ran = await call("shell_exec", {"command": "cat note.txt; exit 3"})
    listed = await call("list_files", {})
    await call("run_code", {"language": "python", "code": PNG})
    seen = await call("read_file", {"path": "red.png"})
    missing = await call("read_file", {"path": "nothing.txt"})
    return {
        "read": read.content[0].text,
        "ran": ran.structured,
        "ranBlocks": [block.type for block in ran.content],
        "total": (listed.structured or {}).get("total"),
        "image": [getattr(block, "mime_type", None) for block in seen.content if block.type == "image"],
        "refused": missing.content[0].text if missing.is_error else None,
    }


def run_all(client: Callable[[Way], Awaitable[dict[str, Any]]]) -> None:
    """Runs a client once for each way it is given, all at the same time. One that fails tells its traceback as `error`."""
    ways = [Way(**way) for way in json.loads(sys.argv[1])]
    outcomes: list[dict[str, Any]] = [{} for _ in ways]

    async def run(index: int) -> None:
        try:
            outcomes[index] = await client(ways[index])
        except Exception:
            outcomes[index] = {"error": traceback.format_exc()}

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for index in range(len(ways)):
                tasks.start_soon(run, index)

    anyio.run(main)
    print(json.dumps(outcomes))
