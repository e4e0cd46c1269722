"""Tracebacks with local variables show no key, no client secret and no data of the athlete.

The frames above the first frame of the package belong to the caller, and are not searched.
"""

from __future__ import annotations

import json
import pickle
import traceback
from collections import UserDict
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import httpcore
import httpx
import pytest
from rich.pretty import pretty_repr
from rich.traceback import Traceback

from edn360_chatkit import (
    APIConnectionError,
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ChatKitClient,
    ChatKitError,
    ChatSession,
    ConfigurationError,
    InvalidInputError,
    MissingProgramError,
    ProgramValidationError,
    WorkflowFailedError,
    WorkflowTimeoutError,
)
from edn360_chatkit.program.model import ROOT_KEY
from edn360_chatkit.testing import ChatKitSimulator
from tests.contract.conftest import MakeClient
from tests.support.calls import call
from tests.support.raw_server import raw_server, reply
from tests.support.secrets import (
    PRIVATE,
    TOKEN,
    USER,
    all_secrets,
    athlete,
    options,
    secrets_in,
)


def chain(error: BaseException) -> Iterator[BaseException]:
    pending: list[BaseException | None] = [error]
    ids: set[int] = set()
    while pending:
        link = pending.pop()
        if link is not None and id(link) not in ids:
            ids.add(id(link))
            yield link
            pending += [link.__cause__, link.__context__, *getattr(link, "exceptions", ())]


def without_callers_frames(error: BaseException) -> BaseException:
    """Drop the test's frames above the package, since they hold the data."""
    start = error.__traceback__
    while start is not None:
        if str(start.tb_frame.f_globals["__name__"]).startswith("edn360_chatkit"):
            return error.with_traceback(start)
        start = start.tb_next
    raise AssertionError("no frame of the package is left")


def text_of(error: BaseException) -> str:
    """What rich, ``traceback`` and a walk over all frames show of the error.

    The locals are not laid out as a page, which takes rich half a second.
    """
    unlimited: dict[str, Any] = {
        "locals_max_string": None,
        "locals_max_length": None,
        "locals_hide_dunder": False,
    }
    trace = Traceback.extract(
        *(type(error), error, error.__traceback__), show_locals=True, **unlimited
    )
    texts: list[str] = []
    for stack in trace.stacks:
        texts.append(stack.exc_value)
        for shown in stack.frames:
            texts += [f"{name}={node}" for name, node in (shown.locals or {}).items()]
    texts += traceback.TracebackException.from_exception(error, capture_locals=True).format()
    values: dict[int, Any] = {}
    for link in chain(error):
        texts += [str(link), repr(link), *getattr(link, "__notes__", ())]
        for frame, _ in traceback.walk_tb(link.__traceback__):
            values |= {id(value): value for value in frame.f_locals.values()}
    texts += [text for value in values.values() for text in (repr(value), pretty_repr(value))]
    return "\n".join(texts)


def test_search_finds_data_in_frames() -> None:
    """The search that the other tests rely on finds the data."""

    def hold(data: dict[str, Any]) -> None:
        raise ValueError("x")

    with pytest.raises(ValueError, match="x") as caught:
        hold(athlete())
    assert secrets_in(text_of(caught.value), PRIVATE) == [*PRIVATE]


Stage = Callable[[MakeClient, ChatKitSimulator], Any]


def refused(make: MakeClient, sim: ChatKitSimulator) -> None:
    make(**options(sim, base_url="http://127.0.0.1:1/v1")).run_workflow(athlete())


def unauthorized(make: MakeClient, sim: ChatKitSimulator) -> None:
    sim.fail_next("send_message", status=401)
    make(**options(sim)).run_workflow(athlete())


def server_error(make: MakeClient, sim: ChatKitSimulator) -> None:
    sim.fail_next("send_message", status=500, taken=True)
    sim.fail_next("list_messages", status=500)
    make(**options(sim)).run_workflow(athlete())


def no_json(make: MakeClient, sim: ChatKitSimulator) -> None:
    with raw_server(lambda exchange: [reply(exchange.body)]) as server:
        client = make(**options(sim, base_url=server.base_url))
        client.send_message(ChatSession(id="s"), athlete())
        client.poll_response("s", max_attempts=1)


def broken_response(make: MakeClient, sim: ChatKitSimulator) -> None:
    """The response is the request itself, which the frames of h11 hold when they refuse it."""
    with raw_server(lambda exchange: [exchange.head + b"\r\n\r\n"]) as server:
        make(**options(sim, base_url=server.base_url)).create_session(USER)


def echo(make: MakeClient, sim: ChatKitSimulator) -> None:
    """A 400 whose message quotes the athlete's data."""
    words = f"Invalid value: '{PRIVATE[2]}'."
    answer = reply({"error": {"message": words, "code": "x"}}, status=400)
    with raw_server(lambda exchange: [answer]) as server:
        make(**options(sim, base_url=server.base_url)).send_message("s", athlete())


def invalid_program(make: MakeClient, sim: ChatKitSimulator) -> None:
    sim.answer = lambda text: json.dumps({ROOT_KEY: {"a": text}})
    make(**options(sim)).run_workflow(athlete())


def no_program(make: MakeClient, sim: ChatKitSimulator) -> None:
    sim.answer = lambda text: json.dumps({"profile": text})
    make(**options(sim)).run_workflow(athlete(), answer="first")


def workflow_error(make: MakeClient, sim: ChatKitSimulator) -> None:
    sim.answer = lambda text: json.dumps({"error": f"no program with {PRIVATE[2]}"})
    make(**options(sim)).run_workflow(athlete())


def cut_stream(make: MakeClient, sim: ChatKitSimulator) -> None:
    sim.cut_next_stream(at=900)
    make(**options(sim, server_url=sim.server_url)).run_workflow(athlete())


def stream_error(make: MakeClient, sim: ChatKitSimulator) -> None:
    sim.stream_error = f"could not read {PRIVATE[2]}"
    make(**options(sim, protocol="threads")).run_workflow(athlete())


def past_deadline(make: MakeClient, sim: ChatKitSimulator) -> None:
    sim.delay = 5
    make(**options(sim, protocol="threads")).run_workflow(athlete(), deadline=0.3)


def invalid_input(make: MakeClient, sim: ChatKitSimulator) -> None:
    make(**options(sim)).run_workflow(athlete(age=[PRIVATE[0]]))


def unwritable(make: MakeClient, sim: ChatKitSimulator) -> None:
    make(**options(sim)).run_workflow(athlete(more=object()))


def half_a_character(make: MakeClient, sim: ChatKitSimulator) -> None:
    make(**options(sim)).run_workflow(f"{PRIVATE[0]} \ud800", user="u")


def streamed(make: MakeClient, sim: ChatKitSimulator) -> None:
    sim.answer = "truncated"
    with make(**options(sim)).stream_workflow(athlete()) as run:
        list(run)


def headers_function(make: MakeClient, sim: ChatKitSimulator) -> None:
    def headers() -> dict[str, str]:
        raise ValueError(len(TOKEN))

    make(**options(sim, headers=headers)).run_workflow(athlete())


def odd_headers(make: MakeClient, sim: ChatKitSimulator) -> None:
    make(**options(sim, headers={f"Bearer {TOKEN}": "x"}))


def odd_setting(make: MakeClient, sim: ChatKitSimulator) -> None:
    make(**options(sim, protocol="mail"))


def unknown_setting(make: MakeClient, sim: ChatKitSimulator) -> None:
    make(**options(sim, colour="red"))


def odd_key(make: MakeClient, sim: ChatKitSimulator) -> None:
    make(**options(sim, api_key=f"{sim.api_key} {TOKEN}"))


def odd_secret(make: MakeClient, sim: ChatKitSimulator) -> None:
    session = ChatSession(id="s", client_secret="ek_sim\r\nX-A: b")
    make(**options(sim, protocol="threads")).send_message(session, athlete())


def listed(make: MakeClient, sim: ChatKitSimulator) -> None:
    sim.fail_next("list_threads", status=500)
    call(make(**options(sim)), "threads.list", user=PRIVATE[1])


def on_event_raises(make: MakeClient, sim: ChatKitSimulator) -> None:
    """The caller's exception passes through our frames."""

    def on_event(event: Any) -> None:
        raise ChatKitError("the caller's own")

    make(**options(sim)).run_workflow(athlete(), on_event=on_event)


STAGES: dict[Stage, type[Exception]] = {
    refused: APIConnectionError,
    broken_response: APIConnectionError,
    unauthorized: AuthenticationError,
    server_error: APIStatusError,
    no_json: WorkflowTimeoutError,
    echo: BadRequestError,
    invalid_program: ProgramValidationError,
    no_program: MissingProgramError,
    workflow_error: WorkflowFailedError,
    cut_stream: ChatKitError,
    stream_error: WorkflowFailedError,
    past_deadline: ChatKitError,
    invalid_input: InvalidInputError,
    unwritable: InvalidInputError,
    half_a_character: InvalidInputError,
    streamed: ChatKitError,
    headers_function: ValueError,
    odd_headers: ConfigurationError,
    odd_setting: ConfigurationError,
    unknown_setting: TypeError,
    odd_key: ConfigurationError,
    odd_secret: InvalidInputError,
    listed: APIStatusError,
    on_event_raises: ChatKitError,
}
# The clients share their code. The async clients run the stages whose frames differ.
IN_ASYNC: list[Stage] = [refused, broken_response, server_error, cut_stream, on_event_raises]
CASES = [
    *product(["sync"], STAGES),
    *product(["asyncio", "trio"], IN_ASYNC),
]


@pytest.mark.parametrize(
    ("make_client", "stage"),
    [pytest.param(kind, stage, id=f"{kind}-{stage.__name__}") for kind, stage in CASES],
    indirect=["make_client"],
)
def test_traceback_and_pickle_show_no_secret(
    make_client: MakeClient, sim: ChatKitSimulator, stage: Stage
) -> None:
    with pytest.raises(STAGES[stage]) as caught:
        stage(make_client, sim)
    error = without_callers_frames(caught.value)
    assert secrets_in(text_of(error), all_secrets(sim)) == []
    # The traceback still has frames of the package.
    frames = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    assert any("edn360_chatkit" in name for name in frames)
    # The error's attributes hold the answer, so the pickle is searched for credentials only.
    pickled = pickle.dumps(error).decode("latin-1")
    assert secrets_in(pickled, (sim.api_key, "ek_sim", TOKEN)) == []


def test_interrupted_request_shows_no_secret(sim: ChatKitSimulator) -> None:
    """Ctrl-C strikes in frames of httpcore, which hold the request."""

    class Interrupts(httpcore.NetworkBackend):
        def connect_tcp(self, *args: Any, **options: Any) -> httpcore.NetworkStream:
            raise KeyboardInterrupt

    transport = httpx.HTTPTransport()
    transport._pool._network_backend = Interrupts()
    with httpx.Client(transport=transport) as http:
        client = ChatKitClient(**options(sim, http_client=http, workflow_id="wf_demo"))
        with pytest.raises(KeyboardInterrupt) as caught:
            client.send_message("s", athlete())
    assert secrets_in(text_of(without_callers_frames(caught.value)), all_secrets(sim)) == []


@pytest.mark.parametrize(
    "proxy",
    [
        "gopher://me:{}@proxy.example:1",
        "http://me:{}/x@proxy.example:1",
        "http://me:{}@proxy.example:port",
    ],
    ids=["scheme", "slash in the password", "port"],
)
def test_unusable_proxy_shows_no_password(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy.format(TOKEN))
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY") as caught:
        ChatKitClient(api_key="sk-1")
    assert secrets_in(text_of(without_callers_frames(caught.value)), (TOKEN,)) == []


class Unreadable(UserDict[str, str]):
    def __iter__(self) -> Iterator[str]:
        raise LookupError("no headers")


def test_foreign_exception_in_settings_shows_no_key() -> None:
    with pytest.raises(LookupError, match="no headers") as caught:
        ChatKitClient(api_key=TOKEN, headers=Unreadable(a="b"))
    assert secrets_in(text_of(without_callers_frames(caught.value)), (TOKEN,)) == []


def test_context_keeps_callers_variables(sim: ChatKitSimulator) -> None:
    def earlier() -> None:
        mine = "kept from before"
        raise LookupError(len(mine))

    def in_a_handler(client: ChatKitClient) -> None:
        try:
            earlier()
        except LookupError:
            client.run_workflow({})

    client = ChatKitClient(**options(sim, workflow_id="wf_demo"))
    with client, pytest.raises(ChatKitError) as refused:
        in_a_handler(client)
    assert "kept from before" in text_of(refused.value)
    assert isinstance(refused.value.__context__, Exception)
