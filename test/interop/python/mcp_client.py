"""Sessions of the official SDK's client; with `per_call` as LangChain's tools for Python make them."""

from contextlib import asynccontextmanager

from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from ways import Answer, Way, run_all, session


@asynccontextmanager
async def connected(way: Way):
    if way.transport == "http":
        async with create_mcp_http_client(headers=way.headers) as http:
            async with Client(streamable_http_client(way.url, http_client=http), mode=way.mode) as client:
                yield client
        return
    if way.transport == "sse":
        transport = sse_client(way.url, headers=way.headers)
    else:
        transport = stdio_client(StdioServerParameters(command=way.command, args=way.args, env=way.env, cwd=way.cwd))
    async with Client(transport, mode=way.mode) as client:
        yield client


async def call_on(client: Client, name: str, args: dict) -> Answer:
    result = await client.call_tool(name, args)
    return Answer(result.is_error or False, result.content, result.structured_content)


async def run(way: Way) -> dict:
    async with connected(way) as client:
        tools = await client.list_tools()
        about = {"protocol": client.protocol_version, "tools": [tool.name for tool in tools.tools]}
        if not way.per_call:
            return about | await session(lambda name, args: call_on(client, name, args))

    async def alone(name: str, args: dict) -> Answer:
        async with connected(way) as client:
            return await call_on(client, name, args)

    return about | await session(alone)


run_all(run)
