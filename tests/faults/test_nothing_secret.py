"""No key, no client secret and nothing of the athlete's in a log, a repr, a traceback, a pickle."""

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
    InvalidInputError,
    MissingProgramError,
    ProgramValidationError,
    WorkflowFailedError,
)
from edn360_chatkit.events import TaskEvent, TextDeltaEvent
from edn360_chatkit.testing import ChatKitSimulator
from tests.contract.conftest import MakeClient

from .raw_server import raw_server, reply
from .test_every_failure import call

TOKEN = "token-of-the-header-1"
USER = "athlete-of-the-url-1"
PRIVATE = ("Ana Hidden", "ana.hidden@example.com", "herniated disc L4", "555 0199")


def athlete(**profile: Any) -> dict[str, Any]:
    """Made when it is needed, so that no frame of the test holds it."""
    name, email, answer, phone = PRIVATE
    told = {"user_id": USER, "name": name, "email": email, "phone": phone, **profile}
    payload = {"days_per_week": 3, "injuries": answer}
    return {"user_profile": told, "questionnaires": [{"source": "initial", "payload": payload}]}


def all_secrets(sim: ChatKitSimulator) -> tuple[str, ...]:
    # What the simulator's client secrets begin with.
    return (*PRIVATE, sim.api_key, "ek_sim", TOKEN)


def chain(error: BaseException) -> Iterator[BaseException]:
    left: list[BaseException | None] = [error]
    known: set[int] = set()
    while left:
        one = left.pop()
        if one is not None and id(one) not in known:
            known.add(id(one))
            yield one
            left += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]


def from_ours_on(error: BaseException) -> BaseException:
    """The error without the frames above the package's: those are the test's, and hold the data."""
    start = error.__traceback__
    while start is not None:
        if str(start.tb_frame.f_globals["__name__"]).startswith("edn360_chatkit"):
            return error.with_traceback(start)
        start = start.tb_next
    raise AssertionError("no frame of the package is left")


def shown(error: BaseException) -> str:
    """Everything that rich, ``traceback`` and a walk over all frames show of an error."""
    console = Console(file=io.StringIO(), width=400)
    everything: dict[str, Any] = {
        "locals_max_string": None,
        "locals_max_length": None,
        "locals_hide_dunder": False,
        "max_frames": 0,
    }
    console.print(
        Traceback.from_exception(
            *(type(error), error, error.__traceback__), show_locals=True, **everything
        )
    )
    assert isinstance(console.file, io.StringIO)
    texts = [console.file.getvalue()]
    texts += traceback.TracebackException.from_exception(error, capture_locals=True).format()
    for one in chain(error):
        texts += [str(one), repr(one)]
        for frame, _ in traceback.walk_tb(one.__traceback__):
            for value in frame.f_locals.values():
                texts += [repr(value), pretty_repr(value)]
    return "\n".join(texts)


def found(texts: str, secrets: tuple[str, ...]) -> list[str]:
    return [secret for secret in secrets if secret in texts]


def test_the_walk_finds_what_a_frame_holds() -> None:
    """Else the tests below would prove nothing."""

    def hold(data: dict[str, Any]) -> None:
        raise ValueError("x")

    with pytest.raises(ValueError, match="x") as caught:
        hold(athlete())
    assert found(shown(caught.value), PRIVATE) == [*PRIVATE]


# --- tracebacks -------------------------------------------------------------------------------

Stage = Callable[[MakeClient, ChatKitSimulator], Any]


def told(sim: ChatKitSimulator, **more: Any) -> dict[str, Any]:
    hosted = {"api_key": sim.api_key, "base_url": sim.base_url, "headers": {"X-Token": TOKEN}}
    if "server_url" in more:
        hosted = {"headers": {"Authorization": f"Bearer {TOKEN}"}}
    return {"max_retries": 0, "max_attempts": 3, **hosted, **more}


def refused(make: MakeClient, sim: ChatKitSimulator) -> None:
    make(**told(sim, base_url="http://127.0.0.1:1/v1")).run_workflow(athlete())


def unauthorized(make: MakeClient, sim: ChatKitSimulator) -> None:
    sim.fail_next("send_message", status=401)
    make(**told(sim)).run_workflow(athlete())


def server_error(make: MakeClient, sim: ChatKitSimulator) -> None:
    sim.fail_next("send_message", status=500, taken=True)
    sim.fail_next("list_messages", status=500)
    make(**told(sim)).run_workflow(athlete())


def no_json(make: MakeClient, sim: ChatKitSimulator) -> None:
    with raw_server(lambda exchange: [reply(exchange.body)]) as server:
        client = make(**told(sim, base_url=server.base_url))
        client.send_message(ChatSession(id="s"), athlete())
        client.poll_response("s", max_attempts=1)


def echo(make: MakeClient, sim: ChatKitSimulator) -> None:
    """A 400 whose message quotes what is wrong."""
    words = f"Invalid value: '{PRIVATE[2]}'."
    answer = reply({"error": {"message": words, "code": "x"}}, status=400)
    with raw_server(lambda exchange: [answer]) as server:
        make(**told(sim, base_url=server.base_url)).send_message("s", athlete())


def invalid_program(make: MakeClient, sim: ChatKitSimulator) -> None:
    sim.answer = lambda text: json.dumps({"client_training_program_enriched": {"a": text}})
    make(**told(sim)).run_workflow(athlete())


def no_program(make: MakeClient, sim: ChatKitSimulator) -> None:
    sim.answer = lambda text: json.dumps({"profile": text})
    make(**told(sim)).run_workflow(athlete())


def workflow_error(make: MakeClient, sim: ChatKitSimulator) -> None:
    sim.answer = lambda text: json.dumps({"error": f"no program with {PRIVATE[2]}"})
    make(**told(sim)).run_workflow(athlete())


def cut_stream(make: MakeClient, sim: ChatKitSimulator) -> None:
    sim.cut_next_stream(at=900)
    make(**told(sim, server_url=sim.server_url)).run_workflow(athlete())


def stream_error(make: MakeClient, sim: ChatKitSimulator) -> None:
    sim.stream_error = f"could not read {PRIVATE[2]}"
    make(**told(sim, protocol="threads")).run_workflow(athlete())


def late(make: MakeClient, sim: ChatKitSimulator) -> None:
    sim.delay = 5
    make(**told(sim, protocol="threads")).run_workflow(athlete(), deadline=0.3)


def invalid_input(make: MakeClient, sim: ChatKitSimulator) -> None:
    make(**told(sim)).run_workflow(athlete(age=[PRIVATE[0]]))


def unwritable(make: MakeClient, sim: ChatKitSimulator) -> None:
    make(**told(sim)).run_workflow(athlete(more=object()))


def half_a_character(make: MakeClient, sim: ChatKitSimulator) -> None:
    make(**told(sim)).run_workflow(f"{PRIVATE[0]} \ud800", user="u")


def streamed(make: MakeClient, sim: ChatKitSimulator) -> None:
    sim.answer = "truncated"
    with make(**told(sim)).stream_workflow(athlete()) as run:
        list(run)


def headers_function(make: MakeClient, sim: ChatKitSimulator) -> None:
    def headers() -> dict[str, str]:
        raise ValueError(len(TOKEN))

    make(**told(sim, headers=headers)).run_workflow(athlete())


def odd_headers(make: MakeClient, sim: ChatKitSimulator) -> None:
    make(**told(sim, headers={f"Bearer {TOKEN}": "x"}))


def odd_setting(make: MakeClient, sim: ChatKitSimulator) -> None:
    make(**told(sim, protocol="mail"))


def odd_secret(make: MakeClient, sim: ChatKitSimulator) -> None:
    session = ChatSession(id="s", client_secret="ek_sim\r\nX-A: b")
    make(**told(sim, protocol="threads")).send_message(session, athlete())


def listed(make: MakeClient, sim: ChatKitSimulator) -> None:
    sim.fail_next("list_threads", status=500)
    call(make(**told(sim)), "threads.list", user=PRIVATE[1])


def told_of(make: MakeClient, sim: ChatKitSimulator) -> None:
    """The caller's own exception, through our frames."""

    def on_event(event: Any) -> None:
        raise ChatKitError("the caller's own")

    make(**told(sim)).run_workflow(athlete(), on_event=on_event)


STAGES: dict[Stage, type[ChatKitError]] = {
    refused: APIConnectionError,
    unauthorized: AuthenticationError,
    server_error: APIStatusError,
    no_json: ChatKitError,
    echo: BadRequestError,
    invalid_program: ProgramValidationError,
    no_program: MissingProgramError,
    workflow_error: WorkflowFailedError,
    cut_stream: ChatKitError,
    stream_error: WorkflowFailedError,
    late: ChatKitError,
    invalid_input: InvalidInputError,
    unwritable: InvalidInputError,
    half_a_character: InvalidInputError,
    streamed: ChatKitError,
    headers_function: APIConnectionError,
    odd_headers: ChatKitError,
    odd_setting: ChatKitError,
    odd_secret: InvalidInputError,
    listed: APIStatusError,
    told_of: ChatKitError,
}


@pytest.fixture(scope="module")
def running() -> Iterator[ChatKitSimulator]:
    with ChatKitSimulator() as simulator:
        yield simulator


@pytest.fixture
def sim(running: ChatKitSimulator) -> ChatKitSimulator:
    running.reset()
    return running


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
def test_no_traceback_and_no_pickle_shows_a_secret(
    make_client: MakeClient, sim: ChatKitSimulator, stage: Stage
) -> None:
    with pytest.raises(STAGES[stage]) as caught:
        stage(make_client, sim)
    error = from_ours_on(caught.value)
    assert found(shown(error), all_secrets(sim)) == []
    # Where it happened is still to be seen.
    frames = [frame.filename for frame in traceback.extract_tb(error.__traceback__)]
    assert any("edn360_chatkit" in name for name in frames)
    # What came stays with the error, in the attributes that are for it.
    pickled = pickle.dumps(error).decode("latin-1")
    assert found(pickled, (sim.api_key, "ek_sim", TOKEN)) == []


def test_what_was_interrupted_leaves_without_data(sim: ChatKitSimulator) -> None:
    """A Ctrl-C in the middle of httpcore's frames, which hold the request."""

    class Interrupts(httpcore.NetworkBackend):
        def connect_tcp(self, *args: Any, **options: Any) -> httpcore.NetworkStream:
            raise KeyboardInterrupt

    transport = httpx.HTTPTransport()
    transport._pool._network_backend = Interrupts()
    with httpx.Client(transport=transport) as http:
        client = ChatKitClient(**told(sim, http_client=http, workflow_id="wf_demo"))
        with pytest.raises(KeyboardInterrupt) as caught:
            client.send_message("s", athlete())
    assert found(shown(from_ours_on(caught.value)), all_secrets(sim)) == []


def test_the_callers_own_frames_are_left_alone(sim: ChatKitSimulator) -> None:
    def on_event(event: Any) -> None:
        mine = "kept for debugging"
        raise ValueError(len(mine))

    def earlier() -> None:
        mine = "kept from before"
        raise LookupError(len(mine))

    client = ChatKitClient(**told(sim, workflow_id="wf_demo"))
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


def test_pytest_shows_no_secret_with_showlocals(sim: ChatKitSimulator, tmp_path: Path) -> None:
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
    assert found(done.stdout + done.stderr, all_secrets(sim)) == []


# --- logs -------------------------------------------------------------------------------------


def test_no_log_of_any_library_at_any_level_has_a_secret(
    make_client: MakeClient, sim: ChatKitSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    """httpx, httpcore, asyncio and our own, down to their last level: runs, faults and lists."""
    caplog.set_level(1)
    secrets = list(all_secrets(sim))
    for more in ({}, {"protocol": "threads"}, {"server_url": sim.server_url}):
        client = make_client(**told(sim, **more))
        session = client.create_session(USER)
        client.poll_response(session, after=client.send_message(session, athlete()))
        secrets.append(session.client_secret or TOKEN)
        endpoint: Any = {"protocol": "conversation", "server_url": "server"}.get(
            next(iter(more), ""), "send_message"
        )
        sim.fail_next(endpoint, status=500, taken=True)
        with pytest.raises(ChatKitError):
            client.run_workflow(athlete())
        with pytest.raises(ChatKitError):
            client.poll_response("nope")
    call(make_client(**told(sim)), "threads.list", user=USER)
    records = [(record.getMessage(), repr(record.args)) for record in caplog.records]
    assert {record.name.partition(".")[0] for record in caplog.records} >= {"httpx", "httpcore"}
    assert any("/threads" in message for message, _ in records)
    assert found(repr(records), (*secrets, USER)) == []


# --- reprs ------------------------------------------------------------------------------------


def everything_public() -> list[Any]:
    data = athlete(subscription={"plan": PRIVATE[0]}, unknown=PRIVATE[1])
    data["context"] = {"previous_training_plan": {"plan_data": PRIVATE[2]}, "unknown": PRIVATE[0]}
    given = edn360_chatkit.EDN360Input.model_validate({**data, "unknown": PRIVATE[0]})
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
        *[given, given.user_profile, given.user_profile.subscription, given.questionnaires],
        *[given.context, given.context and given.context.previous_training_plan],
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


@pytest.mark.parametrize("thing", everything_public(), ids=lambda thing: type(thing).__name__)
def test_no_repr_shows_a_secret(thing: Any) -> None:
    for text in (
        repr(thing),
        str(thing),
        pretty_repr(thing),
        pretty_repr([thing], expand_all=True),
    ):
        assert found(text, (*PRIVATE, TOKEN)) == []


# --- errors that travel -----------------------------------------------------------------------

SESSION = ChatSession(id="cksess_1", client_secret=TOKEN, user=USER)
MESSAGE = edn360_chatkit.Message(id="msg_1", session_id="cksess_1")
FIELD = {"path": "a", "loc": ("a",), "msg": "m", "type": "missing"}


def filled(cls: type[ChatKitError]) -> ChatKitError:
    """An error with something in every field that it can have."""
    error = cls("what to do")
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
        "deadline_passed": True,
    }
    for name in vars(error) | {"session": 0, "sent_message": 0}:
        value = values.get(name, f"the {name}")
        setattr(error, name, MESSAGE if name == "message" and "text" in vars(error) else value)
    return error


def every_error() -> list[type[ChatKitError]]:
    named = (getattr(edn360_chatkit, name) for name in edn360_chatkit.__all__)
    return [cls for cls in named if isinstance(cls, type) and issubclass(cls, ChatKitError)]


@pytest.mark.parametrize("protocol", [*range(2, pickle.HIGHEST_PROTOCOL + 1)])
@pytest.mark.parametrize("cls", every_error())
def test_an_error_that_travels_keeps_every_field_and_no_secret(
    cls: type[ChatKitError], protocol: int
) -> None:
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
            known = getattr(twin, name)
            assert (known.id if name == "session" else known) == (
                value.id if name == "session" else value
            )
    assert twins[0].session is not None
    assert twins[0].session.client_secret is None


def _raise_to(queue: Queue[Any]) -> None:
    queue.put(filled(ProgramValidationError))
    queue.put(filled(APITimeoutError))


def test_errors_go_through_a_queue_between_processes() -> None:
    context = get_context("spawn")
    queue: Any = context.Queue()
    process = context.Process(target=_raise_to, args=(queue,))
    process.start()
    first, second = queue.get(timeout=30), queue.get(timeout=30)
    process.join()
    assert (type(first), first.errors) == (ProgramValidationError, (FIELD,))
    assert (type(second), second.deadline_passed) == (APITimeoutError, True)
    queue.close()
    queue.join_thread()


def test_no_warning_quotes_a_value(recwarn: pytest.WarningsRecorder) -> None:
    given = edn360_chatkit.EDN360Input.model_validate(athlete())
    odd = given.model_copy(update={"questionnaires": PRIVATE[2], "user_profile": [PRIVATE[0]]})
    with (
        ChatKitClient(api_key="sk-simulated-key", workflow_id="wf_demo") as client,
        pytest.raises(InvalidInputError),
    ):
        client.run_workflow(odd)
    assert found(repr([*map(str, recwarn)]), PRIVATE) == []
    assert logging.getLogger("edn360_chatkit").handlers
