"""OpenAI's ``openai-chatkit`` and ``openai-agents``, built as their documentation shows.

``/responses`` calls the model through the Responses API, and ``/chat`` through Chat Completions.
``$OPENAI_BASE_URL`` is the address of the model.
"""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import uvicorn
from agents import (
    Agent,
    Model,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    set_tracing_disabled,
)
from chatkit.agents import AgentContext, simple_to_agent_input, stream_agent_response
from chatkit.server import ChatKitServer, StreamingResult
from chatkit.types import ThreadMetadata, ThreadStreamEvent, UserMessageItem
from openai import AsyncOpenAI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tests.support.chatkit_server import MemoryStore


class AgentsServer(ChatKitServer[str]):
    """A workflow with the number of agents that the athlete's data contains."""

    def __init__(self, make_model: Callable[[str], Model]) -> None:
        super().__init__(MemoryStore())
        self._make_model = make_model

    async def respond(
        self, thread: ThreadMetadata, input_user_message: UserMessageItem | None, context: str
    ) -> AsyncIterator[ThreadStreamEvent]:
        assert input_user_message is not None
        text = "".join(part.text for part in input_user_message.content)
        agent_context = AgentContext(thread=thread, store=self.store, request_context=context)
        for number in range(json.loads(text)["context"]["agents"]):
            model = self._make_model(f"agent-{number}")
            agent: Agent[Any] = Agent(name=f"agent-{number}", model=model)
            messages = await simple_to_agent_input(input_user_message)
            result = Runner.run_streamed(agent, messages, context=agent_context)
            async for event in stream_agent_response(agent_context, result):
                yield event


def route(path: str, server: AgentsServer) -> Route:
    async def chatkit(request: Request) -> Response:
        body = await request.body()
        user = json.loads(body).get("metadata", {}).get("user", "")
        result = await server.process(body, user)
        if isinstance(result, StreamingResult):
            return StreamingResponse(result, media_type="text/event-stream")
        return Response(result.json, media_type="application/json")

    return Route(path, chatkit, methods=["POST"])


def main() -> None:
    set_tracing_disabled(True)
    client = AsyncOpenAI()
    app = Starlette(
        routes=[
            route("/responses", AgentsServer(lambda name: OpenAIResponsesModel(name, client))),
            route("/chat", AgentsServer(lambda name: OpenAIChatCompletionsModel(name, client))),
        ]
    )
    # asyncio sets TCP_NODELAY only on sockets that name IPPROTO_TCP.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()  # before a client knows the port
    print(f"port {listener.getsockname()[1]}", flush=True)  # noqa: T201
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run([listener])


if __name__ == "__main__":
    main()
