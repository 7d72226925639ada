"""Sessions of FastMCP's client."""

from fastmcp.client import Client
from fastmcp.client.transports import SSETransport, StdioTransport, StreamableHttpTransport
from ways import Answer, Way, run_all, session


def transport_of(way: Way):
    if way.transport == "http":
        return StreamableHttpTransport(way.url, headers=way.headers)
    if way.transport == "sse":
        return SSETransport(way.url, headers=way.headers)
    return StdioTransport(command=way.command, args=way.args, env=way.env, cwd=way.cwd, keep_alive=False)


async def run(way: Way) -> dict:
    async with Client(transport_of(way), mode=way.mode) as client:

        async def call(name: str, args: dict) -> Answer:
            result = await client.call_tool(name, args, raise_on_error=False)
            return Answer(result.is_error, result.content, result.structured_content)

        tools = await client.list_tools()
        return {"protocol": client.protocol_version, "tools": [tool.name for tool in tools]} | await session(call)


run_all(run)
