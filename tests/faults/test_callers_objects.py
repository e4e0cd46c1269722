"""The caller's HTTP client, functions, exceptions and event loops work as without this package."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from edn360_chatkit import (
    APIConnectionError,
    APIError,
    AsyncChatKitClient,
    ChatKitClient,
    ChatKitError,
    EDN360Input,
    InvalidResponseError,
)
from edn360_chatkit.testing import ChatKitSimulator
from tests.support.calls import HOSTED, answer_everything
from tests.support.raw_server import MESSAGE_STORED, event, raw_server, thread_item
from tests.support.samples import ATHLETE


def settings(sim: ChatKitSimulator, **more: Any) -> dict[str, Any]:
    return {
        "api_key": sim.api_key,
        "base_url": sim.base_url,
        "workflow_id": "wf_demo",
        "poll_interval": 0.02,
        **more,
    }


# --- transports -------------------------------------------------------------------------------


class ByText(httpx.HTTPTransport):
    """Rebuilds each request from the text of its URL, as transports of other libraries do."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = httpx.URL(str(request.url))
        copy = httpx.Request(request.method, url, headers=request.headers, stream=request.stream)
        copy.extensions = request.extensions
        return super().handle_request(copy)


def test_transport_gets_whole_url_text(sim: ChatKitSimulator) -> None:
    """Without the query, the server would list the threads of all users."""
    with httpx.Client(transport=ByText()) as http:
        client = ChatKitClient(**settings(sim, protocol="threads"), http_client=http)
        sim.fail_next("conversation", status=None, taken=True)
        assert client.run_workflow(ATHLETE).program.title
    assert sim.runs == 1
    lists = [request for request in sim.requests if request.path.endswith("/threads")]
    assert {thread_list.query.get("user") for thread_list in lists} == {"athlete-1"}


def test_hook_may_remove_authorization(sim: ChatKitSimulator) -> None:
    """As behind a gateway that adds the key itself."""

    def remove(request: httpx.Request) -> None:
        del request.headers["Authorization"]

    class Gateway(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            assert "Authorization" not in request.headers
            added = [*request.headers.raw, (b"Authorization", b"Bearer " + sim.api_key.encode())]
            stream, extensions = request.stream, request.extensions
            copy = httpx.Request(request.method, request.url, headers=added, stream=stream)
            copy.extensions = extensions
            return super().handle_request(copy)

    with httpx.Client(transport=Gateway(), event_hooks={"request": [remove]}) as http:
        client = ChatKitClient(**settings(sim), http_client=http)
        assert client.run_workflow(ATHLETE).program.title
    assert sim.runs == 1


def test_stream_end_over_asgi_transport_ends_run() -> None:
    """An ASGI transport, as in tests of a server, gives neither a length nor an HTTP version."""
    requests: list[str] = []

    async def chatkit(request: Request) -> Response:
        requests.append((await request.json())["type"])
        if requests[-1] == "threads.list":
            return JSONResponse({"data": [], "has_more": False})
        reply = thread_item("assistant_message", "msg_2", "Sorry.")
        if requests[-1] == "items.list":
            ours = thread_item("user_message", "msg_1", json.dumps(ATHLETE))
            return JSONResponse({"data": [reply, ours], "has_more": False})
        events = [MESSAGE_STORED, event(type="thread.item.done", item=reply)]
        return StreamingResponse(iter(events), media_type="text/event-stream")

    async def main() -> None:
        app = Starlette(routes=[Route("/chatkit", chatkit, methods=["POST"])])
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http:
            client = AsyncChatKitClient(server_url="https://own.example/chatkit", http_client=http)
            with pytest.raises(InvalidResponseError):
                await client.run_workflow(ATHLETE)

    anyio.run(main)
    assert [kind for kind in requests if kind != "threads.list"] == ["threads.create", "items.list"]


# --- failures between a lost response and the list that is read next ---------------------------


def test_closed_http_client_keeps_message_in_doubt(sim: ChatKitSimulator) -> None:
    class ClosesItself(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            response = super().handle_request(request)
            if request.url.path.endswith("/messages"):
                http.close()
            return response

    with httpx.Client(transport=ClosesItself()) as http:
        client = ChatKitClient(**settings(sim), http_client=http)
        sim.fail_next("send_message", status=503, taken=True)
        with pytest.raises(APIError, match="may have been stored") as caught:
            client.run_workflow(ATHLETE)
    assert caught.value.may_have_been_taken
    assert caught.value.session is not None
    assert sim.runs == 1


@pytest.mark.parametrize("wrong", [{"X-Token": None}, {"X Token": "x"}])
def test_invalid_headers_keep_message_in_doubt(sim: ChatKitSimulator, wrong: Any) -> None:
    def headers() -> Any:
        return wrong if any(r.path.endswith("/messages") for r in sim.requests) else {}

    with ChatKitClient(**settings(sim, headers=headers)) as client:
        sim.fail_next("send_message", status=503, taken=True)
        with pytest.raises(APIError, match="may have been stored") as caught:
            client.run_workflow(ATHLETE)
    assert caught.value.may_have_been_taken
    assert sim.runs == 1


def test_headers_function_exception_has_note_about_doubt(sim: ChatKitSimulator) -> None:
    class VaultError(Exception):
        pass

    def headers() -> dict[str, str]:
        if any(request.path.endswith("/messages") for request in sim.requests):
            raise VaultError("sealed")
        return {}

    with ChatKitClient(**settings(sim, headers=headers)) as client:
        sim.fail_next("send_message", status=503, taken=True)
        with pytest.raises(VaultError) as caught:
            client.run_workflow(ATHLETE)
    notes = getattr(caught.value, "__notes__", [])
    assert sys.version_info < (3, 11) or "may have been stored" in notes[0]
    assert sim.runs == 1


# --- exceptions -------------------------------------------------------------------------------


def test_on_event_exception_keeps_variables(sim: ChatKitSimulator) -> None:
    def inner(what: str) -> None:
        raise KeyError(what)

    def on_event(event: Any) -> None:
        mine = "kept"
        try:
            inner("from deep")
        except KeyError as error:
            raise ValueError(mine) from error

    with (
        ChatKitClient(**settings(sim)) as client,
        pytest.raises(ValueError, match="kept") as caught,
    ):
        client.run_workflow(ATHLETE, on_event=on_event)
    cause = caught.value.__cause__
    assert cause is not None
    assert cause.__traceback__ is not None
    assert cause.__traceback__.tb_frame.f_locals["mine"] == "kept"
    assert cause.__traceback__.tb_next is not None
    assert cause.__traceback__.tb_next.tb_frame.f_locals["what"] == "from deep"


def test_task_of_cause_keeps_running(sim: ChatKitSimulator) -> None:
    async def main() -> str:
        stored: list[BaseException] = []
        go_on = asyncio.Event()

        async def background() -> str:
            try:
                raise OSError("connection closed")
            except OSError as error:
                stored.append(error)
                await go_on.wait()
            return "still here"

        task = asyncio.create_task(background())
        await asyncio.sleep(0)

        def on_event(event: Any) -> None:
            raise ChatKitError("no listener") from stored[0]

        async with AsyncChatKitClient(**settings(sim)) as client:
            with pytest.raises(ChatKitError, match="no listener"):
                await client.run_workflow(ATHLETE, on_event=on_event)
        go_on.set()
        return await task

    assert asyncio.run(main()) == "still here"


@pytest.mark.parametrize("parts", [None, ["text"], ("text",), 3])
def test_exception_with_exceptions_attribute_passes(sim: ChatKitSimulator, parts: Any) -> None:
    class OwnError(Exception):
        exceptions = parts

    def on_event(event: Any) -> None:
        raise OwnError

    with ChatKitClient(**settings(sim)) as client, pytest.raises(OwnError):
        client.run_workflow(ATHLETE, on_event=on_event)


def test_refused_poll_error_has_earlier_text(sim: ChatKitSimulator) -> None:
    sim.answer, sim.steps = "nothing", ['{"profile": 1}']

    def on_event(event: Any) -> None:
        if event.type == "step":
            sim.fail_next("list_messages", status=403)

    with ChatKitClient(**settings(sim)) as client, pytest.raises(APIError) as caught:
        client.run_workflow(ATHLETE, on_event=on_event)
    assert caught.value.text == '{"profile": 1}'
    assert not isinstance(caught.value, APIConnectionError)


# --- connections ------------------------------------------------------------------------------


def test_unfinished_list_keeps_pool(sim: ChatKitSimulator) -> None:
    with ChatKitClient(**settings(sim, protocol="threads")) as client:
        for _ in range(2):
            client.run_workflow(ATHLETE)
        pool = client._driver._pool()
        for _ in client.threads.list(user="athlete-1", limit=1):
            break
        assert client._driver._pool() is pool


# --- event loops -----------------------------------------------------------------------------


@contextmanager
def new_loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    try:
        yield loop
    finally:
        loop.close()


# A closed loop can't close its connection, and Python warns.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("end", ["aclose", "run"])
def test_async_client_works_in_second_loop(sim: ChatKitSimulator, end: str) -> None:
    client = AsyncChatKitClient(**{**HOSTED, "api_key": sim.api_key}, base_url=sim.base_url)
    with new_loop() as first:
        first.run_until_complete(client.create_session("u"))
    with new_loop() as second:
        if end == "run":
            assert second.run_until_complete(client.create_session("u")).user == "u"
        second.run_until_complete(client.aclose())
    del client
    # A request of any client closes dropped connections, so that no later test gets the warning.
    with ChatKitClient(**{**HOSTED, "api_key": sim.api_key}, base_url=sim.base_url) as other:
        other.create_session("u")
    gc.collect()


def test_call_without_loop_sends_no_request() -> None:
    with raw_server(answer_everything) as server:
        client = AsyncChatKitClient(**HOSTED, base_url=server.base_url)
        with pytest.raises(RuntimeError):
            client.create_session("u").send(None)
        assert server.requests == []


# --- models -----------------------------------------------------------------------------------


def test_unfinished_model_stops_no_run(sim: ChatKitSimulator) -> None:
    class Unfinished(EDN360Input):
        more: Later  # type: ignore[name-defined]  # noqa: F821

    with ChatKitClient(**settings(sim)) as client:
        assert client.run_workflow(ATHLETE).program.sessions
    del Unfinished
    gc.collect()
