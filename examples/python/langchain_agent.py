"""An agent with a computer: over HTTP where SANDBOX_TOKEN is set, else with a server of its own. MODEL names the model
("anthropic:claude-sonnet-4-5", with its package and key); without it a model plays its part, so that this runs without a key."""

import asyncio
import os

from fastmcp.client import Client
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport
from langchain.agents import create_agent
from langchain.chat_models import init_chat_model
from langchain.mcp import MCPAdapter
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage

URL = os.environ.get("SANDBOX_URL", "http://127.0.0.1:8080/mcp")
TOKEN = os.environ.get("SANDBOX_TOKEN")


class RehearsedModel(GenericFakeChatModel):
    def bind_tools(self, tools, **kwargs):
        return self


def tool_call(name, args):
    return AIMessage(content="", tool_calls=[{"name": name, "args": args, "id": name}])


def chat_model():
    if "MODEL" in os.environ:
        return init_chat_model(os.environ["MODEL"])
    turns = [
        tool_call("write_file", {"path": "sum.py", "content": "print(sum(range(101)))\n"}),
        tool_call("shell_exec", {"command": "python3 sum.py"}),
        AIMessage("The sum of the numbers to 100 is 5050."),
    ]
    return RehearsedModel(messages=iter(turns))


def transport():
    if TOKEN:
        return StreamableHttpTransport(URL, headers={"Authorization": f"Bearer {TOKEN}"})
    return StdioTransport(command="npx", args=["-y", "sandbox-mcp"], env={**os.environ, "SANDBOX_USER": "alice"})


async def main():
    # One session as long as the adapter is open. Tools that are called without it open one each, which reaches the same sandbox.
    async with MCPAdapter(Client(transport())) as adapter:
        agent = create_agent(chat_model(), await adapter.list_tools())
        question = "What is the sum of the numbers to 100? Use a program."
        result = await agent.ainvoke({"messages": [{"role": "user", "content": question}]})
    for message in result["messages"]:
        print(f"{message.type}: {message.text or message.tool_calls}")


asyncio.run(main())
