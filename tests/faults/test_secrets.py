"""Logs, reprs, tracebacks and pickles show no key, no client secret and no data of the athlete.

A traceback counts from the first frame of the package on: the frames above are the caller's.
"""

from __future__ import annotations

import copy
import io
import json
import logging
import pickle
import subprocess
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from queue import Queue
from typing import Any

import httpcore
import httpx
import pytest
from rich.console import Console
from rich.pretty import pretty_repr
from rich.traceback import Traceback

import edn360_chatkit
from edn360_chatkit import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ChatKitClient,
    ChatKitError,
    ChatSession,
    ConfigurationError,
    InvalidInputError,
    MissingProgramError,
    ProgramValidationError,
    WorkflowError,
    WorkflowFailedError,
    WorkflowTimeoutError,
)
from edn360_chatkit.events import TaskEvent, TextDeltaEvent
from edn360_chatkit.testing import ChatKitSimulator
from tests.contract.conftest import MakeClient
from tests.faults.test_errors import call
from tests.support.raw_server import raw_server, reply

TOKEN = "token-of-the-header-1"
USER = "athlete-of-the-url-1"
PRIVATE = ("Ana Hidden", "ana.hidden@example.com", "herniated disc L4", "555 0199")


def athlete(**profile: Any) -> dict[str, Any]:
    """An input. Each call makes a new one, so that no frame of the test holds it."""
    name, email, answer, phone = PRIVATE
    fields = {"user_id": USER, "name": name, "email": email, "phone": phone, **profile}
    payload = {"days_per_week": 3, "injuries": answer}
    return {"user_profile": fields, "questionnaires": [{"source": "initial", "payload": payload}]}


def all_secrets(sim: ChatKitSimulator) -> tuple[str, ...]:
    # The simulator's client secrets begin with "ek_sim".
    return (*PRIVATE, sim.api_key, "ek_sim", TOKEN)


def chain(error: BaseException) -> Iterator[BaseException]:
    pending: list[BaseException | None] = [error]
    seen: set[int] = set()
    while pending:
        link = pending.pop()
        if link is not None and id(link) not in seen:
            seen.add(id(link))
            yield link
            pending += [link.__cause__, link.__context__, *getattr(link, "exceptions", ())]


def without_callers_frames(error: BaseException) -> BaseException:
    """The error without the test's frames above the package's, which hold the data."""
    start = error.__traceback__
    while start is not None:
        if str(start.tb_frame.f_globals["__name__"]).startswith("edn360_chatkit"):
            return error.with_traceback(start)
        start = start.tb_next
    raise AssertionError("no frame of the package is left")


def shown(error: BaseException) -> str:
    """Everything that rich, ``traceback`` and a walk over all frames show of an error."""
    console = Console(file=io.StringIO(), width=400)
    unlimited: dict[str, Any] = {
        "locals_max_string": None,
        "locals_max_length": None,
        "locals_hide_dunder": False,
        "max_frames": 0,
    }
    console.print(
        Traceback.from_exception(
            *(type(error), error, error.__traceback__), show_locals=True, **unlimited
        )
    )
    assert isinstance(console.file, io.StringIO)
    texts = [console.file.getvalue()]
    texts += traceback.TracebackException.from_exception(error, capture_locals=True).format()
    values: dict[int, Any] = {}
    for link in chain(error):
        texts += [str(link), repr(link), *getattr(link, "__notes__", ())]
        for frame, _ in traceback.walk_tb(link.__traceback__):
            values |= {id(value): value for value in frame.f_locals.values()}
    texts += [text for value in values.values() for text in (repr(value), pretty_repr(value))]
    return "\n".join(texts)


def secrets_in(texts: str, secrets: tuple[str, ...]) -> list[str]:
    return [secret for secret in secrets if secret in texts]


def test_shown_finds_secrets_in_frames() -> None:
    """Without this, the tests below would prove nothing."""

    def hold(data: dict[str, Any]) -> None:
        raise ValueError("x")

    with pytest.raises(ValueError, match="x") as caught:
        hold(athlete())
    assert secrets_in(shown(caught.value), PRIVATE) == [*PRIVATE]


# --- tracebacks -------------------------------------------------------------------------------

Stage = Callable[[MakeClient, ChatKitSimulator], Any]


def options(sim: ChatKitSimulator, **more: Any) -> dict[str, Any]:
    hosted = {"api_key": sim.api_key, "base_url": sim.base_url, "headers": {"X-Token": TOKEN}}
    if "server_url" in more:
        hosted = {"headers": {"Authorization": f"Bearer {TOKEN}"}}
    return {"max_retries": 0, "max_attempts": 3, **hosted, **more}


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


def echo(make: MakeClient, sim: ChatKitSimulator) -> None:
    """A 400 whose message quotes what is wrong."""
    words = f"Invalid value: '{PRIVATE[2]}'."
    answer = reply({"error": {"message": words, "code": "x"}}, status=400)
    with raw_server(lambda exchange: [answer]) as server:
        make(**options(sim, base_url=server.base_url)).send_message("s", athlete())


def invalid_program(make: MakeClient, sim: ChatKitSimulator) -> None:
    sim.answer = lambda text: json.dumps({"client_training_program_enriched": {"a": text}})
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
    """The caller's own exception, through our frames."""

    def on_event(event: Any) -> None:
        raise ChatKitError("the caller's own")

    make(**options(sim)).run_workflow(athlete(), on_event=on_event)


STAGES: dict[Stage, type[Exception]] = {
    refused: APIConnectionError,
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


# The clients share their code: the async ones meet the stages whose frames differ.
IN_ASYNC: list[Stage] = [refused, server_error, cut_stream, on_event_raises]
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
    assert secrets_in(shown(error), all_secrets(sim)) == []
    # The traceback still says where it happened.
    frames = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    assert any("edn360_chatkit" in name for name in frames)
    # The error's own attributes keep the answer, so only credentials are searched for.
    pickled = pickle.dumps(error).decode("latin-1")
    assert secrets_in(pickled, (sim.api_key, "ek_sim", TOKEN)) == []


def test_interrupted_request_shows_no_secret(sim: ChatKitSimulator) -> None:
    """A Ctrl-C in the middle of httpcore's frames, which hold the request."""

    class Interrupts(httpcore.NetworkBackend):
        def connect_tcp(self, *args: Any, **options: Any) -> httpcore.NetworkStream:
            raise KeyboardInterrupt

    transport = httpx.HTTPTransport()
    transport._pool._network_backend = Interrupts()
    with httpx.Client(transport=transport) as http:
        client = ChatKitClient(**options(sim, http_client=http, workflow_id="wf_demo"))
        with pytest.raises(KeyboardInterrupt) as caught:
            client.send_message("s", athlete())
    assert secrets_in(shown(without_callers_frames(caught.value)), all_secrets(sim)) == []


def test_callers_frames_keep_their_variables(sim: ChatKitSimulator) -> None:
    def on_event(event: Any) -> None:
        mine = "kept for debugging"
        raise ValueError(len(mine))

    def earlier() -> None:
        mine = "kept from before"
        raise LookupError(len(mine))

    client = ChatKitClient(**options(sim, workflow_id="wf_demo"))
    with client, pytest.raises(ValueError, match="18") as caught:
        client.run_workflow(athlete(), on_event=on_event)
    assert "kept for debugging" in shown(caught.value)

    def in_a_handler() -> None:
        try:
            earlier()
        except LookupError:
            client.run_workflow({})

    with pytest.raises(ChatKitError) as refused:
        in_a_handler()
    assert "kept from before" in shown(refused.value)
    assert isinstance(refused.value.__context__, Exception)


def test_pytest_showlocals_shows_no_secret(sim: ChatKitSimulator, tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text(json.dumps(athlete()))
    test = tmp_path / "test_it.py"
    test.write_text(
        textwrap.dedent(
            f"""
            import json
            from edn360_chatkit import ChatKitClient, WorkflowTimeoutError

            def athlete(**more):
                data = json.load(open({str(tmp_path / "data.json")!r}))
                return {{**data, **more}}

            def client(protocol):
                return ChatKitClient(
                    base_url={sim.base_url!r}, workflow_id="wf_demo", protocol=protocol,
                    max_attempts=2, poll_interval=0.01,
                )

            def test_no_answer():
                client("messages").run_workflow(athlete())

            def test_no_answer_in_a_stream():
                client("threads").run_workflow(athlete())

            def test_invalid():
                client("messages").run_workflow(athlete(questionnaires=5))

            def test_streamed():
                with client("threads").stream_workflow(athlete()) as run:
                    for event in run:
                        pass
                    run.get_response()
            """
        )
    )
    sim.answer = "nothing"
    command = [sys.executable, "-m", "pytest", "-l", "--tb=long", "-p", "no:cacheprovider", "-q"]
    done = subprocess.run(
        [*command, str(test)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"OPENAI_API_KEY": sim.api_key},
        check=False,
    )
    assert "4 failed" in done.stdout
    assert done.stdout.count("WorkflowTimeoutError") >= 3
    assert secrets_in(done.stdout + done.stderr, all_secrets(sim)) == []


# --- logs -------------------------------------------------------------------------------------


FAULTS: dict[str, tuple[Any, int]] = {"protocol": ("conversation", 1), "server_url": ("server", 2)}


def test_logs_at_all_levels_show_no_secret(
    make_client: MakeClient, sim: ChatKitSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    """The logs of httpcore, asyncio and this package, of runs, faults and lists."""
    caplog.set_level(1)
    secrets = list(all_secrets(sim))
    for more in ({}, {"protocol": "threads"}, {"server_url": sim.server_url}):
        client = make_client(**options(sim, **more))
        session = client.create_session(USER)
        client.poll_response(session, after=client.send_message(session, athlete()))
        secrets.append(session.client_secret or TOKEN)
        # An own server is read before the message is sent.
        endpoint, times = FAULTS.get(next(iter(more), ""), ("send_message", 1))
        sim.fail_next(endpoint, status=500, taken=True, times=times)
        with pytest.raises(ChatKitError):
            client.run_workflow(athlete())
        with pytest.raises(ChatKitError):
            client.poll_response("nope")
    call(make_client(**options(sim)), "threads.list", user=USER)
    records = [(record.getMessage(), repr(record.args)) for record in caplog.records]
    loggers = {record.name.partition(".")[0] for record in caplog.records}
    assert loggers >= {"httpcore", "edn360_chatkit"}
    assert secrets_in(repr(records), (*secrets, USER)) == []


# --- reprs ------------------------------------------------------------------------------------


def everything_public() -> list[Any]:
    data = athlete(subscription={"plan": PRIVATE[0]}, unknown=PRIVATE[1])
    data["context"] = {"previous_training_plan": {"plan_data": PRIVATE[2]}, "unknown": PRIVATE[0]}
    model_input = edn360_chatkit.EDN360Input.model_validate({**data, "unknown": PRIVATE[0]})
    exercise = {"name": "Squat", "notes": PRIVATE[2], "unknown": PRIVATE[2]}
    days = [{"session_notes": PRIVATE[2], "blocks": [{"exercises": [exercise]}]}]
    program = edn360_chatkit.EnrichedTrainingProgram.model_validate(
        {"title": "t", "summary": PRIVATE[2], "general_notes": PRIVATE[0], "sessions": days}
    )
    event = {"type": "x", "text": PRIVATE[2]}
    item = {"id": "i", "content": PRIVATE[2], "unknown": PRIVATE[2]}
    response = edn360_chatkit.WorkflowResponse(
        program=program, text=PRIVATE[2], session_id="s", attempts=1, elapsed=0.0
    )
    return [
        *[
            model_input,
            model_input.user_profile,
            model_input.user_profile.subscription,
            model_input.questionnaires,
        ],
        *[model_input.context, model_input.context and model_input.context.previous_training_plan],
        *[program, program.sessions, program.sessions[0].blocks, response],
        edn360_chatkit.Thread.model_validate({"id": "t", "title": PRIVATE[0], "more": PRIVATE[0]}),
        edn360_chatkit.ThreadItem.model_validate(item),
        edn360_chatkit.ChatSession.model_validate({"id": "s", "client_secret": TOKEN, "x": TOKEN}),
        edn360_chatkit.StepEvent(text=PRIVATE[2]),
        edn360_chatkit.ResponseEvent(response=response),
        edn360_chatkit.ProgressEvent(text=PRIVATE[2], data=event),
        edn360_chatkit.NoticeEvent(level="info", message=PRIVATE[2], title=PRIVATE[0], data=event),
        edn360_chatkit.RawEvent(data=event),
        TaskEvent(type="task.added", item_id="i", index=0, task=event, data=event),
        TextDeltaEvent(item_id="i", delta=PRIVATE[2], data=event),
        edn360_chatkit.WaitingEvent(attempt=1, max_attempts=2, elapsed=0.0, error=PRIVATE[2]),
        InvalidInputError("x"),
    ]


@pytest.mark.parametrize("value", everything_public(), ids=lambda value: type(value).__name__)
def test_reprs_show_no_secret(value: Any) -> None:
    pretty = pretty_repr(value), pretty_repr([value], expand_all=True)
    for text in (repr(value), str(value), *pretty):
        assert secrets_in(text, (*PRIVATE, TOKEN)) == []


# --- errors that travel -----------------------------------------------------------------------

SESSION = ChatSession(id="cksess_1", client_secret=TOKEN, user=USER)
MESSAGE = edn360_chatkit.Message(id="msg_1", session_id="cksess_1")
FIELD = {"path": "a", "loc": ("a",), "msg": "m", "type": "missing"}


def filled(cls: type[ChatKitError]) -> ChatKitError:
    """An error with a value in every field."""
    run = {"session": SESSION, "message": MESSAGE} if issubclass(cls, WorkflowError) else {}
    error = cls("what to do", **run)
    values = {
        "session": SESSION,
        "sent_message": MESSAGE,
        "may_have_been_taken": True,
        "errors": (FIELD,),
        "keys": ("profile",),
        "status_code": 418,
        "retry_after": 1.5,
        "body": {"error": [1]},
        "text": "the program, half of it",
        "allow_retry": True,
        "may_have_arrived": False,
        "steps": ("a step",),
        "retryable": False,
        "deadline_passed": True,
    }
    for name in [*vars(error), "session", "sent_message"]:
        value = values.get(name, f"the {name}")
        setattr(error, name, MESSAGE if name == "message" and "text" in vars(error) else value)
    return error


def every_error() -> list[type[ChatKitError]]:
    named = (getattr(edn360_chatkit, name) for name in edn360_chatkit.__all__)
    return [cls for cls in named if isinstance(cls, type) and issubclass(cls, ChatKitError)]


@pytest.mark.parametrize("protocol", [*range(2, pickle.HIGHEST_PROTOCOL + 1)])
@pytest.mark.parametrize("cls", every_error())
def test_copied_error_keeps_fields_without_secret(cls: type[ChatKitError], protocol: int) -> None:
    error = filled(cls)
    error.__cause__ = ValueError(TOKEN)
    pickled = pickle.dumps(error, protocol)
    assert TOKEN.encode() not in pickled
    twins = [pickle.loads(pickled), copy.copy(error), copy.deepcopy(error)]
    for twin in twins:
        assert type(twin) is cls
        assert str(twin) == str(error)
        assert [*vars(twin)] == [*vars(error)]
        for name, value in vars(error).items():
            copied = getattr(twin, name)
            if name == "session":
                # Without its client secret.
                copied, value = copied.id, value.id
            assert copied == value
    assert twins[0].session is not None
    assert twins[0].session.client_secret is None


def put_errors(queue: Queue[Any]) -> None:
    queue.put(filled(ProgramValidationError))
    queue.put(filled(APITimeoutError))


def test_errors_pass_between_processes() -> None:
    context = get_context("spawn")
    queue: Any = context.Queue()
    process = context.Process(target=put_errors, args=(queue,))
    process.start()
    first, second = queue.get(timeout=30), queue.get(timeout=30)
    process.join()
    assert (type(first), first.errors) == (ProgramValidationError, (FIELD,))
    assert (type(second), second.deadline_passed) == (APITimeoutError, True)
    queue.close()
    queue.join_thread()


def test_warnings_quote_no_value(recwarn: pytest.WarningsRecorder) -> None:
    model_input = edn360_chatkit.EDN360Input.model_validate(athlete())
    odd = model_input.model_copy(
        update={"questionnaires": PRIVATE[2], "user_profile": [PRIVATE[0]]}
    )
    with (
        ChatKitClient(api_key="sk-simulated-key", workflow_id="wf_demo") as client,
        pytest.raises(InvalidInputError),
    ):
        client.run_workflow(odd)
    assert secrets_in(repr([*map(str, recwarn)]), PRIVATE) == []
    assert logging.getLogger("edn360_chatkit").handlers
