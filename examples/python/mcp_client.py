"""Uses a sandbox with the MCP SDK for Python: over HTTP where SANDBOX_TOKEN is set, else over stdio with a server of its own."""

import os
from contextlib import asynccontextmanager

import anyio
import httpx2
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

URL = os.environ.get("SANDBOX_URL", "http://127.0.0.1:8080/mcp")
TOKEN = os.environ.get("SANDBOX_TOKEN")


@asynccontextmanager
async def sandbox():
    """A session of the user that the token stands for, or of alice."""
    if TOKEN:
        # A call may take as long as the server waits for a command before that goes on in the background (wait_s, 45 s).
        async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60) as http:
            async with Client(streamable_http_client(URL, http_client=http)) as client:
                yield client
    else:
        env = {**os.environ, "SANDBOX_USER": "alice"}
        server = StdioServerParameters(command="npx", args=["-y", "sandbox-mcp"], env=env)
        async with Client(stdio_client(server)) as client:
            yield client


async def main():
    async with sandbox() as client:
        await client.call_tool("write_file", {"path": "hello.py", "content": "print('hello from', __file__)\n"})
        ran = await client.call_tool("shell_exec", {"command": "python3 hello.py"})
        print(ran.structured_content["stdout"], end="")

    # Another session of the same user is the same computer.
    async with sandbox() as client:
        listed = await client.call_tool("list_files", {})
        print([entry["path"] for entry in listed.structured_content["entries"]])


anyio.run(main)
