"""``adk-chatkit`` over Google's ADK, built as its documentation shows.

It runs in its own environment, since ``google-adk`` is heavy. ``$OPENAI_BASE_URL`` is the address
of the model. Usage: ``python adk_server.py``
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import httpx
import uvicorn
from adk_chatkit import (
    ADKAgentContext,
    ADKChatKitServer,
    ADKContext,
    ADKStore,
    ChatkitRunConfig,
    stream_agent_response,
)
from chatkit.server import StreamingResult
from chatkit.types import ThreadMetadata, ThreadStreamEvent, UserMessageItem
from google.adk.agents import LlmAgent, SequentialAgent
from google.adk.agents.run_config import StreamingMode
from google.adk.models import BaseLlm, LlmRequest, LlmResponse
from google.adk.runners import Runner
from google.adk.sessions import InMemorySessionService
from google.genai import types as genai
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

APP = "edn360"


class ScriptedLlm(BaseLlm):
    """Calls the scripted model of the tests, and streams its text like the models of ADK."""

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        parts = [part.text for content in llm_request.contents for part in content.parts or []]
        messages = [{"role": "user", "content": text} for text in parts if text]
        url = f"{os.environ['OPENAI_BASE_URL']}/chat/completions"
        body = {"model": self.model, "messages": messages, "stream": True}
        text = ""
        async with httpx.AsyncClient(timeout=30) as http, http.stream("POST", url, json=body) as r:
            async for line in r.aiter_lines():
                if not line.startswith("data: {"):
                    continue
                delta = json.loads(line[len("data: ") :])["choices"][0]["delta"].get("content")
                if delta:
                    text += delta
                    yield self._response(delta, partial=True)
        yield self._response(text, partial=False)

    def _response(self, text: str, *, partial: bool) -> LlmResponse:
        content = genai.Content(role="model", parts=[genai.Part(text=text)])
        return LlmResponse(content=content, partial=partial)


class WorkflowServer(ADKChatKitServer):
    """A workflow with the number of agents that the athlete's data contains."""

    def __init__(self, sessions: InMemorySessionService) -> None:
        super().__init__(ADKStore(sessions))
        self._sessions = sessions

    async def _adk_respond(
        self, thread: ThreadMetadata, item: UserMessageItem | None, context: ADKContext
    ) -> AsyncIterator[ThreadStreamEvent]:
        assert item is not None
        text = "".join(part.text for part in item.content)
        agents: list[Any] = [
            LlmAgent(name=f"agent_{number}", model=ScriptedLlm(model=f"agent-{number}"))
            for number in range(json.loads(text)["context"]["agents"])
        ]
        workflow = SequentialAgent(name="workflow", sub_agents=agents)
        runner = Runner(app_name=APP, agent=workflow, session_service=self._sessions)
        agent_context = ADKAgentContext(app_name=APP, user_id=context.user_id, thread=thread)
        events = runner.run_async(
            user_id=context.user_id,
            session_id=thread.id,
            new_message=genai.Content(role="user", parts=[genai.Part.from_text(text=text)]),
            run_config=ChatkitRunConfig(streaming_mode=StreamingMode.SSE, context=agent_context),
        )
        async for event in stream_agent_response(agent_context, events):
            yield event


def main() -> None:
    server = WorkflowServer(InMemorySessionService())

    async def chatkit(request: Request) -> Response:
        body = await request.body()
        user = json.loads(body).get("metadata", {}).get("user", "")
        result = await server.process(body, ADKContext(app_name=APP, user_id=user))
        if isinstance(result, StreamingResult):
            return StreamingResponse(result, media_type="text/event-stream")
        return Response(result.json, media_type="application/json")

    app = Starlette(routes=[Route("/chatkit", chatkit, methods=["POST"])])
    # asyncio sets TCP_NODELAY only on sockets that name IPPROTO_TCP.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()  # before a client knows the port
    print(f"port {listener.getsockname()[1]}", flush=True)  # noqa: T201
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run([listener])


if __name__ == "__main__":
    main()
