"""What the caller hands over stays the caller's: transports, callbacks, exceptions, connections."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
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
    InvalidResponseError,
)
from edn360_chatkit.testing import ChatKitSimulator
from tests.faults.test_bounds import INPUT, TAKEN, event
from tests.faults.test_ends_of_streams import item


@pytest.fixture(scope="module")
def one_simulator() -> Iterator[ChatKitSimulator]:
    with ChatKitSimulator() as simulator:
        yield simulator


@pytest.fixture
def sim(one_simulator: ChatKitSimulator) -> ChatKitSimulator:
    one_simulator.reset()
    return one_simulator


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
    """Makes each request anew by its URL's text, as transports on other HTTP libraries do."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = httpx.URL(str(request.url))
        anew = httpx.Request(request.method, url, headers=request.headers, stream=request.stream)
        anew.extensions = request.extensions
        return super().handle_request(anew)


def test_a_transport_that_reads_the_urls_text_gets_all_of_it(sim: ChatKitSimulator) -> None:
    """Without its query, the look would be over everybody's threads, and miss ours."""
    with httpx.Client(transport=ByText()) as http:
        client = ChatKitClient(**settings(sim, protocol="threads"), http_client=http)
        sim.fail_next("conversation", status=None, taken=True)
        assert client.run_workflow(INPUT).program.title
    assert sim.runs == 1
    looks = [request for request in sim.requests if request.path.endswith("/threads")]
    assert {look.query.get("user") for look in looks} == {"athlete-1"}


def test_an_app_that_is_asked_without_a_network_ends_its_streams_in_order() -> None:
    """As people test their own server: an ASGI transport says neither length nor version."""
    asked: list[str] = []

    async def chatkit(request: Request) -> Response:
        asked.append((await request.json())["type"])
        if asked[-1] == "threads.list":
            return JSONResponse({"data": [], "has_more": False})
        said = item("assistant_message", "msg_2", "Sorry.")
        if asked[-1] == "items.list":
            ours = item("user_message", "msg_1", json.dumps(INPUT))
            return JSONResponse({"data": [said, ours], "has_more": False})
        events = [TAKEN, event(type="thread.item.done", item=said)]
        return StreamingResponse(iter(events), media_type="text/event-stream")

    async def main() -> None:
        app = Starlette(routes=[Route("/chatkit", chatkit, methods=["POST"])])
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http:
            client = AsyncChatKitClient(server_url="https://own.example/chatkit", http_client=http)
            with pytest.raises(InvalidResponseError):
                await client.run_workflow(INPUT)

    anyio.run(main)
    assert [kind for kind in asked if kind != "threads.list"] == ["threads.create", "items.list"]


# --- what comes between a message and the look for it --------------------------------------------


def test_a_client_that_is_closed_while_a_message_is_in_doubt_says_that_it_is(
    sim: ChatKitSimulator,
) -> None:
    class ClosesItself(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            response = super().handle_request(request)
            if request.url.path.endswith("/messages"):
                http.close()
            return response

    with httpx.Client(transport=ClosesItself()) as http:
        client = ChatKitClient(**settings(sim), http_client=http)
        sim.fail_next("send_message", status=503, taken=True)
        with pytest.raises(APIError, match="may have been taken") as caught:
            client.run_workflow(INPUT)
    assert caught.value.may_have_been_taken
    assert caught.value.session is not None
    assert sim.runs == 1


@pytest.mark.parametrize("wrong", [{"X-Token": None}, {"X Token": "x"}])
def test_headers_that_go_bad_while_a_message_is_in_doubt_do_not_hide_the_doubt(
    sim: ChatKitSimulator, wrong: Any
) -> None:
    def headers() -> Any:
        return wrong if any(r.path.endswith("/messages") for r in sim.requests) else {}

    with ChatKitClient(**settings(sim, headers=headers)) as client:
        sim.fail_next("send_message", status=503, taken=True)
        with pytest.raises(APIError, match="may have been taken") as caught:
            client.run_workflow(INPUT)
    assert caught.value.may_have_been_taken
    assert sim.runs == 1


def test_exception_of_the_header_function_passes_through(sim: ChatKitSimulator) -> None:
    class VaultError(Exception):
        pass

    def headers() -> dict[str, str]:
        if any(request.path.endswith("/messages") for request in sim.requests):
            raise VaultError("sealed")
        return {}

    with ChatKitClient(**settings(sim, headers=headers)) as client:
        sim.fail_next("send_message", status=503, taken=True)
        with pytest.raises(VaultError) as caught:
            client.run_workflow(INPUT)
    notes = getattr(caught.value, "__notes__", [])
    assert sys.version_info < (3, 11) or "may have been taken" in notes[0]
    assert sim.runs == 1


# --- exceptions -------------------------------------------------------------------------------


def test_a_callbacks_exception_and_its_causes_keep_their_variables(sim: ChatKitSimulator) -> None:
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
        client.run_workflow(INPUT, on_event=on_event)
    cause = caught.value.__cause__
    assert cause is not None
    assert cause.__traceback__ is not None
    assert cause.__traceback__.tb_frame.f_locals["mine"] == "kept"
    assert cause.__traceback__.tb_next is not None
    assert cause.__traceback__.tb_next.tb_frame.f_locals["what"] == "from deep"


def test_an_exception_that_a_task_still_works_on_does_not_end_the_task(
    sim: ChatKitSimulator,
) -> None:
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
                await client.run_workflow(INPUT, on_event=on_event)
        go_on.set()
        return await task

    assert asyncio.run(main()) == "still here"


@pytest.mark.parametrize("parts", [None, ["text"], ("text",), 3])
def test_an_exception_with_odd_parts_passes_as_it_is(sim: ChatKitSimulator, parts: Any) -> None:
    class OwnError(Exception):
        exceptions = parts

    def on_event(event: Any) -> None:
        raise OwnError

    with ChatKitClient(**settings(sim)) as client, pytest.raises(OwnError):
        client.run_workflow(INPUT, on_event=on_event)


def test_a_refusal_in_the_waiting_has_what_came_before(sim: ChatKitSimulator) -> None:
    sim.answer, sim.steps = "nothing", ['{"profile": 1}']

    def on_event(event: Any) -> None:
        if event.type == "step":
            sim.fail_next("list_messages", status=403)

    with ChatKitClient(**settings(sim)) as client, pytest.raises(APIError) as caught:
        client.run_workflow(INPUT, on_event=on_event)
    assert caught.value.text == '{"profile": 1}'
    assert not isinstance(caught.value, APIConnectionError)


# --- connections ------------------------------------------------------------------------------


def test_leaving_a_listing_early_keeps_the_connections(sim: ChatKitSimulator) -> None:
    with ChatKitClient(**settings(sim, protocol="threads")) as client:
        for _ in range(2):
            client.run_workflow(INPUT)
        pool = client._driver._pool()
        for _ in client.threads.list(user="athlete-1", limit=1):
            break
        assert client._driver._pool() is pool
