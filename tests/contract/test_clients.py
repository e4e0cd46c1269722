"""Session messages over real HTTP against the simulator: sync, under asyncio, and under trio."""

from __future__ import annotations

import json
import logging
import pickle
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import httpx
import pytest

from edn360_chatkit import (
    APIConnectionError,
    APITimeoutError,
    AsyncChatKitClient,
    AuthenticationError,
    ChatKitClient,
    ChatKitError,
    ChatSession,
    ConfigurationError,
    EDN360Input,
    InvalidInputError,
    InvalidResponseError,
    Message,
    MissingProgramError,
    NotFoundError,
    ProgramValidationError,
    RateLimitError,
    SessionNotFoundError,
    TruncatedResponseError,
    WorkflowFailedError,
    WorkflowTimeoutError,
)
from edn360_chatkit.testing import AnswerKind, ChatKitSimulator
from tests.contract.conftest import MakeClient, lost_answers
from tests.support.patience import PATIENCE, growing
from tests.support.samples import ANSWER, ATHLETE

# The clients share the code that checks arguments and reads answers.
sync_only = pytest.mark.parametrize("make_client", ["sync"], indirect=True)


def test_three_steps_deliver_program(client: Any, sim: ChatKitSimulator) -> None:
    session = client.create_session("athlete-1")
    message = client.send_message(session, EDN360Input.model_validate(ATHLETE))
    response = client.poll_response(session=session, after=message)
    assert (session.user, session.status) == ("athlete-1", "active")
    assert session.client_secret.startswith("ek_")
    assert response.session_id == message.session_id == session.id
    assert len(response.program.sessions) == 4
    assert response.attempts == 1
    # The client lists the messages first, so that it can recognise its message after a lost answer.
    create, baseline, send, poll = sim.requests
    assert (baseline.method, baseline.path) == ("GET", poll.path)
    assert create.json == {"workflow": {"id": "wf_demo"}, "user": "athlete-1"}
    assert json.loads(send.json["content"][0]["text"]) == ATHLETE
    assert poll.query == {"limit": "50", "order": "desc"}
    assert poll.path == f"/v1/chatkit/sessions/{session.id}/messages"


def test_run_workflow_sends_three_requests(client: Any, sim: ChatKitSimulator) -> None:
    response = client.run_workflow(ATHLETE)
    assert response.program.days_per_week == 4
    assert [request.method for request in sim.requests] == ["POST", "POST", "GET"]
    assert sim.requests[0].json["user"] == "athlete-1"


def test_user_argument_names_session_user(client: Any, sim: ChatKitSimulator) -> None:
    client.run_workflow(ATHLETE, user="team-7")
    client.run_workflow(json.dumps(ATHLETE), user="team-8")
    assert [r.json["user"] for r in sim.requests if r.path.endswith("/sessions")] == [
        "team-7",
        "team-8",
    ]
    with pytest.raises(InvalidInputError, match="user"):
        client.run_workflow("a text")


@pytest.mark.parametrize("kind", ["program", "fenced", "prose", "beside"])
@pytest.mark.parametrize("rule", ["program", "first"])
def test_wrapped_program_is_delivered(
    client: Any, sim: ChatKitSimulator, kind: AnswerKind, rule: str
) -> None:
    sim.answer = kind
    assert client.run_workflow(ATHLETE, answer=rule).program.title.startswith("Programa simulado")


@sync_only
@pytest.mark.parametrize("rule", ["program", "first"])
@pytest.mark.parametrize(
    ("kind", "cls", "at_once"),
    [
        ("invalid", ProgramValidationError, True),
        ("error", WorkflowFailedError, True),
        ("truncated", TruncatedResponseError, False),
        ("step", (WorkflowTimeoutError, MissingProgramError), False),
        ("text", (WorkflowTimeoutError, InvalidResponseError), False),
        ("nothing", WorkflowTimeoutError, False),
    ],
)
def test_answer_without_program_raises_its_error(
    client: Any,
    sim: ChatKitSimulator,
    kind: AnswerKind,
    cls: Any,
    at_once: bool,
    rule: str,
) -> None:
    sim.answer = kind
    # With answer="first", a step or prose is the answer and raises at once.
    cls = cls if isinstance(cls, type) else cls[rule == "first"]
    with pytest.raises(cls) as caught:
        client.run_workflow(ATHLETE, max_attempts=3, answer=rule)
    assert type(caught.value) is cls
    assert caught.value.session.id == caught.value.message.session_id
    assert (caught.value.text is None) == (kind == "nothing")
    polls = sum(request.method == "GET" for request in sim.requests)
    fails_fast = at_once or (rule == "first" and kind != "nothing")
    assert polls == (1 if fails_fast else 3)
    assert pickle.loads(pickle.dumps(caught.value)).message == caught.value.message


def test_events_arrive_in_order(client: Any, sim: ChatKitSimulator) -> None:
    sim.steps, sim.empty_polls = True, 3
    with client.stream_workflow(ATHLETE) as run:
        events = list(run)
        response = run.get_response()
    kinds = [event.type for event in events]
    assert kinds[:2] == ["session.created", "message.sent"]
    assert kinds.count("step") == 3
    assert kinds[-1] == "response"
    assert events[-1].response == response
    assert [e.keys for e in events if e.type == "step"] == [
        ("profile",),
        ("questionnaire_normalized",),
        ("training_plan",),
    ]
    assert [e.attempt for e in events if e.type == "waiting"] == [1, 2, 3]


def test_unread_stream_sends_no_request(client: Any, sim: ChatKitSimulator) -> None:
    with client.stream_workflow(ATHLETE) as run:
        assert sim.requests == []
        assert next(iter(run)).type == "session.created"
    assert len(sim.requests) == 1
    with pytest.raises(ChatKitError, match="poll_response"):
        run.get_response()


def test_get_response_needs_no_iteration(client: Any) -> None:
    with client.stream_workflow(ATHLETE) as run:
        first = run.get_response()
        assert run.get_response() is first


def test_get_response_raises_stream_error_again(client: Any, sim: ChatKitSimulator) -> None:
    sim.answer = "error"
    with client.stream_workflow(ATHLETE) as run:
        with pytest.raises(WorkflowFailedError):
            list(run)
        with pytest.raises(WorkflowFailedError):
            run.get_response()


def test_on_event_gets_every_event(client: Any, sim: ChatKitSimulator) -> None:
    kinds: list[str] = []
    client.run_workflow(ATHLETE, on_event=lambda event: kinds.append(event.type))
    assert kinds == ["session.created", "message.sent", "response"]


def test_client_works_after_on_event_exception(client: Any) -> None:
    def listen(event: Any) -> None:
        raise KeyError(event.type)

    with pytest.raises(KeyError, match=r"session\.created"):
        client.run_workflow(ATHLETE, on_event=listen)
    assert client.run_workflow(ATHLETE).attempts == 1


def test_runs_of_session_get_own_answers(client: Any, sim: ChatKitSimulator) -> None:
    session = client.create_session("u")
    first = client.send_message(session, ATHLETE)
    mine = client.poll_response(session, after=first)
    other = {**ATHLETE, "questionnaires": [{"payload": {"days_per_week": 2}}]}
    sim.empty_polls = 2
    second = client.send_message(session, other)
    response = client.poll_response(session, after=second)
    assert response.attempts == 3
    assert len(response.program.sessions) == 2
    assert client.poll_response(session, after=first.id).text == mine.text
    assert client.poll_response(session.id).text == response.text


def test_another_client_resumes_run(make_client: MakeClient, sim: ChatKitSimulator) -> None:
    sim.answer = "nothing"
    with pytest.raises(WorkflowTimeoutError) as caught:
        make_client().run_workflow(ATHLETE, max_attempts=1)
    assert caught.value.session is not None
    assert caught.value.message is not None
    stored = (caught.value.session.model_dump_json(), caught.value.message.model_dump_json())
    sim.answer = "program"
    session = ChatSession.model_validate_json(stored[0])
    message = Message.model_validate_json(stored[1])
    again = make_client(workflow_id=None)
    again.send_message(session, ATHLETE)
    with pytest.raises(WorkflowTimeoutError):
        again.poll_response(session, after=message, max_attempts=1)
    assert again.poll_response(session).attempts == 1


@sync_only
def test_another_process_resumes_run(client: Any, sim: ChatKitSimulator) -> None:
    session = client.create_session("u")
    message = client.send_message(session, ATHLETE)
    program = textwrap.dedent(
        f"""
        from edn360_chatkit import ChatKitClient
        client = ChatKitClient(api_key={sim.api_key!r}, base_url={sim.base_url!r})
        with client:
            print(client.poll_response({session.id!r}, after={message.id!r}).program.title)
        """
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.startswith("Programa simulado"), done.stderr
    assert sum(request.method == "POST" for request in sim.requests) == 2


# --- failures ----------------------------------------------------------------------------------


@lost_answers
def test_lost_answer_starts_no_second_run(
    client: Any, sim: ChatKitSimulator, status: int | None, stored: bool
) -> None:
    sim.fail_next("send_message", status=status, taken=stored)
    response = client.run_workflow(ATHLETE)
    runs = [r for r in sim.requests if r.method == "POST" and r.path.endswith("/messages")]
    assert len(runs) == (1 if stored else 2)
    listed = httpx.get(
        f"{sim.base_url}/sessions/{response.session_id}/messages",
        headers={"Authorization": f"Bearer {sim.api_key}", "OpenAI-Beta": "chatkit_beta=v1"},
    ).json()["data"]
    assert [item["role"] for item in listed] == ["assistant", "user"]


def test_failed_poll_does_not_end_run(client: Any, sim: ChatKitSimulator) -> None:
    sim.fail_next("list_messages", status=503)
    sim.fail_next("list_messages", status=429, headers={"retry-after": "0.1"})
    sim.fail_next("list_messages", status=None)
    sim.fail_next("list_messages", status=200, body="<html>a proxy</html>")
    response = client.run_workflow(ATHLETE)
    assert response.attempts == 5
    assert response.elapsed > 0.1


def test_failed_request_is_retried(client: Any, sim: ChatKitSimulator) -> None:
    sim.fail_next("create_session", status=503, headers={"retry-after-ms": "1"})
    assert client.create_session("u").id


@sync_only
@pytest.mark.parametrize(
    ("call", "cls"),
    [
        (lambda c: c.create_session("u", workflow_id="nope"), NotFoundError),
        (lambda c: c.send_message("cksess_nope", ATHLETE), SessionNotFoundError),
        (lambda c: c.poll_response("cksess_nope"), SessionNotFoundError),
        (lambda c: c.poll_response("a/b"), InvalidInputError),
        (lambda c: c.poll_response(".."), InvalidInputError),
        (lambda c: c.poll_response(None), InvalidInputError),
        (lambda c: c.poll_response("x", after=""), InvalidInputError),
        (lambda c: c.poll_response("x", after=5), InvalidInputError),
        (lambda c: c.poll_response("x", max_attempts=0), ConfigurationError),
        (lambda c: c.poll_response("x", poll_interval=-1), ConfigurationError),
        (lambda c: c.poll_response("x", answer="last"), ConfigurationError),
        (lambda c: c.send_message("", ATHLETE), InvalidInputError),
        (lambda c: c.send_message("x", {}), InvalidInputError),
        (lambda c: c.run_workflow({"user_profile": {}}), InvalidInputError),
        (lambda c: c.run_workflow(ATHLETE, user=""), InvalidInputError),
        (lambda c: c.stream_workflow({}), InvalidInputError),
    ],
)
def test_invalid_argument_raises_its_error(client: Any, call: Any, cls: type[Exception]) -> None:
    with pytest.raises(cls) as caught:
        call(client)
    assert type(caught.value) is cls


@pytest.mark.parametrize("bad", [{}, {"user_profile": {"user_id": "a"}, "questionnaires": []}])
def test_invalid_input_sends_no_request(client: Any, sim: ChatKitSimulator, bad: Any) -> None:
    with pytest.raises(InvalidInputError):
        client.run_workflow(bad)
    assert sim.requests == []


def test_rejected_key_is_not_shown(make_client: MakeClient, sim: ChatKitSimulator) -> None:
    with pytest.raises(AuthenticationError, match="EDN360_OPENAI_API_KEY") as caught:
        make_client(api_key="sk-wrong-hidden").run_workflow(ATHLETE)
    assert (caught.value.code, caught.value.status_code) == ("invalid_api_key", 401)
    assert caught.value.request_id is not None
    assert "hidden" not in str(caught.value)
    assert len(sim.requests) == 1


def test_rate_limit_error_has_retry_after(make_client: MakeClient, sim: ChatKitSimulator) -> None:
    sim.fail_next("create_session", status=429, headers={"retry-after": "3"})
    with pytest.raises(RateLimitError) as caught:
        make_client(max_retries=0).create_session("u")
    assert caught.value.retry_after == 3.0


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never responds."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_silent_server_raises_timeout_error(make_client: MakeClient, silent_port: int) -> None:
    base_url = f"http://127.0.0.1:{silent_port}"
    for timeout in growing(0.1):
        client = make_client(base_url=base_url, timeout=timeout, max_retries=0)
        with pytest.raises(APITimeoutError, match="timeout") as caught:
            client.create_session("u")
        if caught.value.may_have_arrived:  # the request has left in time
            break
    # Either httpx's timeout or our timeout for the whole request comes first.
    assert caught.value.__cause__ is not None
    assert caught.value.may_have_arrived


def test_missing_server_raises_connection_error(make_client: MakeClient) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    client = make_client(base_url=f"http://127.0.0.1:{port}", max_retries=0)
    with pytest.raises(APIConnectionError, match="base_url") as caught:
        client.create_session("u")
    assert not caught.value.may_have_arrived


def test_closed_client_raises_configuration_error(make_client: MakeClient) -> None:
    client = make_client()
    getattr(client, "close" if isinstance(client, ChatKitClient) else "aclose")()
    with pytest.raises(ConfigurationError, match="closed"):
        client.create_session("u")


# --- secrets -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirect_is_not_followed(client: Any, sim: ChatKitSimulator, status: int) -> None:
    with ChatKitSimulator() as other:
        target = {"location": f"{other.base_url}/sessions"}
        sim.fail_next("create_session", status=status, headers=target)
        with pytest.raises(ChatKitError, match="base_url"):
            client.create_session("u")
        assert other.requests == []


def test_logs_of_libraries_show_no_secret(
    client: Any, sim: ChatKitSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    session = client.create_session("u")
    client.poll_response(session, after=client.send_message(session, ATHLETE))
    with pytest.raises(ChatKitError):
        client.poll_response("nope")
    assert "response received" in caplog.text
    for secret in (sim.api_key, session.client_secret, "Ejemplo"):
        assert secret not in caplog.text


def test_default_logging_prints_nothing(sim: ChatKitSimulator) -> None:
    sim.fail_next("list_messages", status=503)
    program = textwrap.dedent(
        f"""
        from edn360_chatkit import ChatKitClient
        client = ChatKitClient(
            api_key={sim.api_key!r}, base_url={sim.base_url!r}, workflow_id="wf_demo",
            poll_interval=0.01,
        )
        with client:
            client.run_workflow({ATHLETE!r})
        """
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# --- the caller's own HTTP client, threads and tasks ----------------------------------------------


def test_callers_http_client_stays_open(sim: ChatKitSimulator) -> None:
    paths: list[str] = []
    hooks = {"request": [lambda request: paths.append(request.url.path)]}
    with httpx.Client(event_hooks=hooks, auth=("user", "password"), follow_redirects=True) as http:
        settings: dict[str, Any] = {"api_key": sim.api_key, "base_url": sim.base_url}
        with ChatKitClient(**settings, workflow_id="wf_demo", http_client=http) as client:
            assert client.run_workflow(ATHLETE).attempts == 1
        assert len(paths) == 3
        assert http.get(sim.base_url).status_code == 404


def test_threads_share_one_client(sim: ChatKitSimulator) -> None:
    sim.empty_polls = 2
    settings: dict[str, Any] = {"api_key": sim.api_key, "base_url": sim.base_url}
    with ChatKitClient(**settings, workflow_id="wf_demo", poll_interval=0.01) as client:

        def run(number: int) -> str:
            data = {**ATHLETE, "user_profile": {"user_id": f"athlete-{number}"}}
            session_id: str = client.run_workflow(data).session_id
            return session_id

        with ThreadPoolExecutor(16) as pool:
            session_ids = list(pool.map(run, range(40)))
    users = [r.json["user"] for r in sim.requests if r.path.endswith("/sessions")]
    assert sorted(users) == sorted(f"athlete-{number}" for number in range(40))
    assert len(set(session_ids)) == 40
    assert sum(r.method == "POST" for r in sim.requests) == 80


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_tasks_share_one_client(sim: ChatKitSimulator, backend: str) -> None:
    sim.empty_polls = 2
    days: dict[int, int] = {}

    async def main() -> None:
        settings: dict[str, Any] = {"api_key": sim.api_key, "base_url": sim.base_url}
        async with AsyncChatKitClient(
            **settings, workflow_id="wf_demo", poll_interval=0.01
        ) as client:

            async def run(number: int) -> None:
                payload = {"days_per_week": 2 + number % 3}
                data = {**ATHLETE, "questionnaires": [{"payload": payload}]}
                response = await client.run_workflow(data)
                days[number] = len(response.program.sessions)

            async with anyio.create_task_group() as tasks:
                for number in range(40):
                    tasks.start_soon(run, number)

    anyio.run(main, backend=backend)
    assert days == {number: 2 + number % 3 for number in range(40)}


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_on_event_can_be_coroutine_function(sim: ChatKitSimulator, backend: str) -> None:
    kinds: list[str] = []

    async def listen(event: Any) -> None:
        await anyio.sleep(0)
        kinds.append(event.type)

    async def main() -> None:
        settings: dict[str, Any] = {"api_key": sim.api_key, "base_url": sim.base_url}
        async with AsyncChatKitClient(**settings, workflow_id="wf_demo") as client:
            await client.run_workflow(ATHLETE, on_event=listen)

    anyio.run(main, backend=backend)
    assert kinds == ["session.created", "message.sent", "response"]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_client_works_after_cancelled_run(sim: ChatKitSimulator, backend: str) -> None:
    sim.answer = "nothing"

    async def main() -> None:
        settings: dict[str, Any] = {"api_key": sim.api_key, "base_url": sim.base_url}
        async with AsyncChatKitClient(
            **settings, workflow_id="wf_demo", poll_interval=0.01
        ) as client:
            with anyio.move_on_after(0.2) as scope:
                await client.run_workflow(ATHLETE, max_attempts=10**6)
            assert scope.cancelled_caught
            sim.answer = "program"
            assert (await client.run_workflow(ATHLETE)).attempts == 1

    anyio.run(main, backend=backend)


def test_stream_is_read_in_another_thread(sim: ChatKitSimulator) -> None:
    settings: dict[str, Any] = {"api_key": sim.api_key, "base_url": sim.base_url}
    kinds: list[str] = []
    with (
        ChatKitClient(**settings, workflow_id="wf_demo") as client,
        client.stream_workflow(ATHLETE) as run,
    ):
        kinds.append(next(run).type)
        thread = threading.Thread(target=lambda: kinds.extend(event.type for event in run))
        thread.start()
        thread.join()
    assert kinds == ["session.created", "message.sent", "response"]


def test_poll_interval_can_be_zero(make_client: MakeClient, sim: ChatKitSimulator) -> None:
    sim.empty_polls = 2
    started = time.monotonic()
    response = make_client(poll_interval=600).run_workflow(
        ATHLETE, poll_interval=0, max_attempts=10_000
    )
    assert response.attempts == 3
    assert time.monotonic() - started < PATIENCE


def test_elapsed_ends_with_last_poll(client: Any, sim: ChatKitSimulator) -> None:
    sim.delay = 0.25
    started = time.monotonic()
    response = client.run_workflow(ATHLETE, poll_interval=0.05)
    seconds = time.monotonic() - started
    assert 0.25 <= response.elapsed <= seconds
    assert response.attempts <= seconds / 0.05 + 1


IMPORTS_OF_A_RUN = """
import sys
from edn360_chatkit import AsyncChatKitClient, ChatKitClient

base_url, is_async, athlete = sys.argv[1], sys.argv[2] == "async", {athlete!r}
options = dict(base_url=base_url, api_key="sk-simulated-key", workflow_id="wf_demo")
options |= dict(poll_interval=0.01, max_retries=5)
if is_async:
    import anyio

    async def main():
        async with AsyncChatKitClient(**options) as client:
            before = set(sys.modules)
            await client.run_workflow(athlete)
            return set(sys.modules) - before

    imported = anyio.run(main)
else:
    with ChatKitClient(**options) as client:
        before = set(sys.modules)
        client.run_workflow(athlete)
        imported = set(sys.modules) - before
print([name for name in sorted(imported) if name.split(".")[0] not in sys.stdlib_module_names])
"""


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_run_imports_no_module(sim: ChatKitSimulator, kind: str) -> None:
    """A Ctrl-C during an import can leave a package half loaded, for all later runs."""
    malformed = ANSWER.replace(', "', ' "', 1)
    sim.answer = lambda _: malformed
    sim.fail_next("create_session", status=503)
    code = IMPORTS_OF_A_RUN.format(athlete=ATHLETE)
    command = [sys.executable, "-c", code, sim.base_url, kind]
    result = subprocess.run(command, capture_output=True, text=True)
    assert (result.stdout.strip(), result.stderr) == ("[]", "")
