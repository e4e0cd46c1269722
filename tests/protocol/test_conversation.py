"""A run over the thread protocol, without I/O: its start, its stream, and its list of items."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from edn360_chatkit import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    AuthenticationError,
    ChatSession,
    ConfigurationError,
    EndpointNotFoundError,
    InvalidInputError,
    InvalidResponseError,
    MessageSentEvent,
    MissingProgramError,
    NotFoundError,
    PermissionDeniedError,
    RawEvent,
    RunReference,
    TruncatedResponseError,
    WorkflowFailedError,
    WorkflowTimeoutError,
)
from edn360_chatkit._config import load_config
from edn360_chatkit._effects import Emit, Now, Open, Read, Response, Send, Sleep
from edn360_chatkit._protocol.api import make_api
from edn360_chatkit._protocol.inbox import Inbox
from edn360_chatkit._protocol.inputs import Prepared
from edn360_chatkit._protocol.run import Run, Waiting
from edn360_chatkit._protocol.threads import MOST_SESSIONS, Threads
from edn360_chatkit._protocol.workflow import Workflow
from edn360_chatkit.models.run import digest
from tests.support.samples import ANSWER
from tests.support.script import Play, Scene, Scripted, answer, api_error, config

HOSTED = ChatSession(id="cksess_1", client_secret="ek_1", user="ana")
LOST = APIConnectionError("lost")
CREATED = {"type": "thread.created", "thread": {"id": "thr_1"}}
TAKEN = {
    "type": "thread.item.done",
    "item": {"type": "user_message", "id": "msg_1", "thread_id": "thr_1"},
}


def done(text: str, item_id: str = "msg_2") -> dict[str, Any]:
    content = [{"type": "output_text", "text": text}]
    return {
        "type": "thread.item.done",
        "item": {"type": "assistant_message", "id": item_id, "content": content},
    }


def item(kind: str, item_id: str, text: str, **more: Any) -> dict[str, Any]:
    part = {"type": "input_text" if kind == "user_message" else "output_text", "text": text}
    return {"type": f"chatkit.{kind}", "id": item_id, "content": [part], **more}


def items(*newest_first: dict[str, Any], more: bool = False, **headers: str) -> Response:
    last = newest_first[-1]["id"] if newest_first else None
    data = {"data": list(newest_first), "has_more": more, "last_id": last, "after": last}
    return answer(data, **headers)


ITEMS = "GET /threads/thr_1/items"
NONE = answer({"data": []})
"""The list of threads of a user who has no threads."""
OURS = items(item("user_message", "msg_1", "hello"))


def threads_of(**settings: Any) -> Threads:
    return Threads(make_api(config(**{"protocol": "threads", **settings})))


def own_server(**settings: Any) -> Threads:
    return threads_of(api_key=None, server_url="https://own.example/chatkit", **settings)


def start(
    play: Play, threads: Threads | None = None, session: ChatSession = HOSTED, **settings: Any
) -> RunReference:
    waiting = Waiting(poll_interval=2.0, max_attempts=60, answer="program")
    reference = RunReference(session_id=session.id, user=session.user)
    run = Run(Inbox(session, reference, message_text="hello"), waiting, play.clock, keep_open=True)
    threads = threads or threads_of(**settings)
    play.run(threads.start(run, Prepared("hello")))
    assert run.is_sent
    return run.inbox.reference


def follow(play: Play, threads: Threads, message: RunReference, attempts: int = 3) -> Any:
    waiting = Waiting(poll_interval=2.0, max_attempts=attempts, answer="program")
    inbox = Inbox(HOSTED.model_copy(update={"id": message.session_id}), message)
    run = Run(inbox, waiting, play.clock, is_sent=True, watched=True)
    return play.run(threads.follow(run))


def kinds(play: Play) -> list[str]:
    """The requests: those of the thread protocol by their type, the others by method and path."""
    names: list[str] = []
    for path, request in zip(play.paths, play.requests, strict=True):
        own = path == "POST /conversation"
        names.append(json.loads(request.content or b"{}")["type"] if own else path)
    return names


def test_run_is_started_with_the_client_secret() -> None:
    play = Play([NONE, Scene([CREATED, TAKEN])])
    message = start(play)
    assert (message.message_id, message.thread_id, message.session_id) == (
        "msg_1",
        "thr_1",
        "cksess_1",
    )
    baseline, request = play.requests
    assert "user=ana" in baseline.url
    assert request.credential is not None
    assert request.credential.get_secret_value() == "ek_1"
    assert request.headers["Accept"] == "text/event-stream"
    assert "OpenAI-Beta" not in request.headers
    assert play.body(1) == {
        "type": "threads.create",
        "params": {
            "input": {
                "content": [{"type": "input_text", "text": "hello"}],
                "attachments": [],
                "quoted_text": "",
                "inference_options": {},
            }
        },
    }
    # A stream may be silent for 60 attempts of 2 s.
    assert request.max_silence == 120.0


def test_own_server_gets_user_without_credential() -> None:
    play = Play([NONE, Scene([CREATED, TAKEN])])
    start(play, own_server(), ChatSession(id="local_1", user="ana"))
    request = play.requests[1]
    assert (request.url, request.credential) == ("https://own.example/chatkit", None)
    assert play.body(0)["metadata"] == play.body(1)["metadata"] == {"user": "ana"}


def test_own_servers_token_yields_to_headers() -> None:
    environ = {"EDN360_SERVER_TOKEN": "own-token-1"}
    for headers, token in (({}, "own-token-1"), ({"authorization": "Basic x"}, None)):
        options: Any = {"server_url": "https://own.example/chatkit", "headers": headers}
        play = Play([NONE, Scene([CREATED, TAKEN])])
        start(play, Threads(make_api(load_config(options, environ))))
        for request in play.requests:
            secret = request.credential and request.credential.get_secret_value()
            assert secret == token


@pytest.mark.parametrize("answers", [[api_error(401)], [NONE, api_error(401)]])
def test_own_servers_401_names_headers_and_token(answers: list[Response]) -> None:
    with pytest.raises(AuthenticationError, match="headers=") as caught:
        start(Play(answers), own_server())
    assert "EDN360_SERVER_TOKEN" in str(caught.value)


@pytest.mark.parametrize(
    ("body", "cls"),
    [
        ({"error": "Thread not found"}, NotFoundError),
        ({"detail": "Unknown thread"}, NotFoundError),
        ({"detail": "Not Found"}, EndpointNotFoundError),
        ("<h1>Not Found</h1>", EndpointNotFoundError),
    ],
)
def test_own_servers_404_names_the_cause(body: Any, cls: type[Exception]) -> None:
    with pytest.raises(cls) as caught:
        start(Play([NONE, answer(body, 404)]), own_server())
    assert type(caught.value) is cls


def test_session_without_secret_is_explained() -> None:
    stored = ChatSession.model_validate_json(HOSTED.model_dump_json())
    with pytest.raises(ConfigurationError, match="create_session"):
        start(Play([]), session=stored)


def test_second_message_goes_to_same_thread() -> None:
    threads = threads_of()
    start(Play([NONE, Scene([CREATED, TAKEN])]), threads)
    play = Play([OURS, Scene([TAKEN])])
    assert start(play, threads).thread_id == "thr_1"
    # The client reads the thread first, so that it can recognise its message after a lost answer.
    assert kinds(play) == ["GET /threads/thr_1/items", "threads.add_user_message"]
    assert play.body(1)["params"]["thread_id"] == "thr_1"


@pytest.mark.parametrize(
    "lost",
    [LOST, api_error(502), Scene([], LOST), Scene([]), Scene([{"type": "stream_options"}], LOST)],
    ids=["no answer", "502", "cut at once", "ended at once", "cut before the thread"],
)
def test_lost_message_is_searched_in_new_threads(lost: Scripted) -> None:
    old, new = {"id": "thr_0"}, {"id": "thr_1"}
    ours = items(item("assistant_message", "msg_9", "x"), item("user_message", "msg_1", "hello"))
    play = Play([answer({"data": [old]}), lost, answer({"data": [new, old]}), ours])
    message = start(play)
    assert (message.message_id, message.thread_id) == ("msg_1", "thr_1")
    assert kinds(play) == ["GET /threads", "threads.create", "GET /threads", ITEMS]


def test_lost_message_is_resent_without_new_thread() -> None:
    play = Play([NONE, LOST, NONE, NONE, NONE, Scene([CREATED, TAKEN])])
    assert start(play).message_id == "msg_1"
    assert kinds(play).count("threads.create") == 2


@pytest.mark.parametrize(
    "contents",
    [
        [[]],
        [[item("user_message", "msg_9", "another")]],
        [[item("user_message", "msg_9", "hello")], [item("user_message", "msg_8", "hello")]],
        [[{"type": "chatkit.user_message", "id": "msg_9"}]],
        [[{"type": "chatkit.card", "id": "msg_9"}]],
        [[item("assistant_message", "msg_9", "hello")]],
    ],
    ids=["empty", "other text", "two of ours", "no content", "other type", "reply only"],
)
def test_unclear_new_thread_leaves_doubt(contents: list[list[dict[str, Any]]]) -> None:
    threads = answer({"data": [{"id": f"thr_{n}"} for n in range(len(contents))]})
    play = Play([NONE, LOST, threads, *(items(*content) for content in contents)])
    with pytest.raises(APIError, match="may have been stored") as caught:
        start(play)
    assert caught.value.may_have_been_taken
    assert kinds(play).count("threads.create") == 1


def test_message_is_recognised_among_other_threads() -> None:
    threads = answer({"data": [{"id": "thr_2"}, {"id": "thr_1"}]})
    other = items(item("user_message", "msg_9", "another"))
    assert start(Play([NONE, LOST, threads, other, OURS])).thread_id == "thr_1"


def test_only_known_thread_is_read() -> None:
    play = Play([NONE, Scene([CREATED], LOST), OURS])
    assert start(play).message_id == "msg_1"
    assert kinds(play) == ["GET /threads", "threads.create", ITEMS]


def test_empty_thread_is_not_ours() -> None:
    # The first request created a thread and stored no message. The second stored it.
    empty = items()
    threads = answer({"data": [{"id": "thr_2"}, {"id": "thr_1"}]})
    play = Play([NONE, Scene([CREATED], LOST), *[empty] * 3, LOST, threads, OURS])
    message = start(play)
    assert (message.message_id, message.thread_id) == ("msg_1", "thr_2")
    assert kinds(play).count("threads.create") == 2


def test_later_message_does_not_hide_ours() -> None:
    threads = threads_of()
    start(Play([NONE, Scene([CREATED, TAKEN])]), threads)
    ours, later = item("user_message", "msg_2", "hello"), item("user_message", "msg_3", "other")
    first = item("user_message", "msg_1", "hello")
    assert start(Play([OURS, LOST, items(later, ours, first)]), threads).message_id == "msg_2"


def test_message_behind_flood_is_looked_up() -> None:
    flood = Scene([CREATED, {"type": "notice", "message": "x" * 2000}])
    play = Play([NONE, flood, OURS])
    assert start(play, max_response_bytes=1024).message_id == "msg_1"


def test_silence_allows_no_second_send() -> None:
    for silence in (APITimeoutError("late"), Scene([], APITimeoutError("silent"))):
        play = Play([NONE, silence, *[NONE] * 4])
        with pytest.raises(APITimeoutError, match="may have been stored"):
            start(play)
        assert kinds(play).count("threads.create") == 1


@pytest.mark.parametrize("failed", [api_error(404), answer({"data": None})])
def test_missing_baseline_allows_only_known_thread(failed: Response) -> None:
    play = Play([failed, LOST])
    with pytest.raises(APIConnectionError, match="may have been stored"):
        start(play)
    assert start(Play([failed, Scene([CREATED], LOST), OURS])).message_id == "msg_1"


def test_any_message_in_own_thread_is_ours() -> None:
    other = items(item("user_message", "msg_1", "written anew by the server"))
    assert start(Play([NONE, Scene([CREATED], LOST), other])).message_id == "msg_1"


def test_message_stays_in_doubt_during_outage() -> None:
    play = Play([NONE, LOST, *[api_error(503)] * 4])
    with pytest.raises(APIError, match="may have been stored"):
        start(play)
    assert kinds(play).count("threads.create") == 1


@pytest.mark.parametrize(("outage", "is_delivered"), [(20, True), (100, False)])
def test_run_in_doubt_waits_for_server(outage: int, is_delivered: bool) -> None:
    session = answer({"id": "cksess_1", "client_secret": "ek_1"})
    down = [api_error(503) if number % 2 else LOST for number in range(outage)]
    messages = item("assistant_message", "msg_2", ANSWER), item("user_message", "msg_1", "hello")
    lists = [answer({"data": [{"id": "thr_1"}]}), OURS, items(*messages)]
    play = Play([session, NONE, LOST, *down, *lists])
    waiting = Waiting(poll_interval=2.0, max_attempts=60, answer="program")
    operation = Workflow(config(protocol="threads")).run(
        Prepared("hello"), "ana", waiting, watched=False
    )
    if is_delivered:
        assert play.run(operation).text == ANSWER
    else:
        with pytest.raises(APIError, match="may have been stored"):
            play.run(operation)
        # The polls of a run would take as long.
        assert 120 <= sum(play.sleeps) < 140
    assert kinds(play).count("threads.create") == 1


@pytest.mark.parametrize("protocol", ["auto", "threads"])
@pytest.mark.parametrize("previous", [None, "", "thr_0"])
def test_run_of_an_earlier_process_is_found_and_never_sent(
    protocol: str, previous: str | None
) -> None:
    reference = RunReference(
        session_id="cksess_1",
        user="ana",
        previous_id="",
        previous_thread_id=previous,
        message_digest=digest("hello"),
    )
    waiting = Waiting(poll_interval=2.0, max_attempts=60, answer="program")
    refused = [REFUSED] * (3 if protocol == "auto" else 0)
    old = [{"id": "thr_0"}] if previous else []
    messages = item("assistant_message", "msg_2", ANSWER), item("user_message", "msg_1", "hello")
    for arrived in (True, False):
        threads = answer({"data": [*([{"id": "thr_1"}] if arrived else []), *old]})
        looks = [threads, OURS, items(*messages)] if arrived else [threads] * 3
        play = Play([*refused, *(looks if previous is not None else [])])
        workflow = Workflow(config(protocol=protocol, max_retries=2))
        operation = workflow.run_in_doubt(Prepared("hello"), reference, waiting)
        if arrived and previous is not None:
            assert play.run(operation).thread_id == "thr_1"
        else:
            advice = r"threads\.list" if previous is None else "run the batch again"
            with pytest.raises(APIError, match=advice) as e:
                play.run(operation)
            assert e.value.may_have_been_taken
            assert "poll_response" not in str(e.value)
        assert {request.method for request in play.requests} <= {"GET"}


@pytest.mark.parametrize(
    ("threads", "says"),
    [
        ([], r"no new thread.*threads\.list\(user='ana'\)"),
        (["thr_2", "thr_1"], "can't recognise its own"),
        (["thr_4"], "can't recognise its own"),
        (["thr_5", "thr_1"], "can't recognise its own"),
        ([f"thr_{number}" for number in range(11, 22)], "many new threads"),
        (["thr_3"], "no longer has"),
    ],
)
def test_thread_that_is_not_found_is_explained(threads: list[str], says: str) -> None:
    previous = "thr_gone" if threads == ["thr_3"] else ""
    run = RunReference(
        session_id="s", user="ana", previous_thread_id=previous, message_digest=digest("hello")
    )
    listed = answer({"data": [{"id": thread} for thread in threads]})
    another = items(item("user_message", "msg_9", "another"))
    # A new thread without a message can be ours as well.
    pages = {"thr_2": [OURS, OURS], "thr_4": [another], "thr_5": [OURS, items()]}
    contents = pages.get(next(iter(threads), ""), [])
    waiting = Waiting(poll_interval=2.0, max_attempts=2, answer="program")
    workflow = Workflow(config(protocol="threads"))
    operation = workflow.poll_response(run.session, run, waiting, watched=False)
    with pytest.raises(WorkflowTimeoutError, match=says) as caught:
        Play([listed, *contents] * 2).run(operation)
    assert caught.value.run == run


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_refusal_ends_the_start(status: int) -> None:
    with pytest.raises(APIError) as caught:
        start(Play([NONE, api_error(status)]))
    assert not caught.value.may_have_been_taken


@pytest.mark.parametrize("body", [{"ok": True}, {"error": "overloaded"}])
def test_response_without_a_stream_is_looked_up(body: dict[str, Any]) -> None:
    page = answer(body)
    play = Play([NONE, page, page, answer({"data": [{"id": "thr_1"}]}), OURS])
    assert start(play).thread_id == "thr_1"
    assert kinds(play).count("threads.create") == 1
    with pytest.raises(APIError, match="no event stream") as caught:
        start(Play([NONE, page]), max_retries=0)
    assert caught.value.may_have_been_taken
    assert ("overloaded" in str(caught.value)) is ("error" in body)


@pytest.mark.parametrize("data", [{}, {"data": None}, {"data": "down for maintenance"}])
def test_page_without_list_leaves_doubt(data: Any) -> None:
    play = Play([NONE, LOST, *[answer(data)] * 4])
    with pytest.raises(APIError, match="may have been stored"):
        start(play)
    assert kinds(play).count("threads.create") == 1


def test_error_event_before_message_is_not_retried() -> None:
    failed = {"type": "error", "code": "stream.error", "allow_retry": True}
    with pytest.raises(WorkflowFailedError, match=r"stream\.error") as caught:
        start(Play([NONE, Scene([CREATED, failed])]))
    assert caught.value.allow_retry is True


# --- following ----------------------------------------------------------------------------------


def begun(*events: dict[str, Any], breaks_with: Any = None) -> tuple[Threads, RunReference]:
    threads = threads_of()
    scene = Scene([CREATED, TAKEN, *events], breaks_with)
    return threads, start(Play([NONE, scene]), threads)


def test_stream_is_read_to_its_end() -> None:
    runs, message = begun(done('{"profile": 1}'), done(ANSWER, "msg_3"))
    play = Play([])
    response = follow(play, runs, message)
    assert (response.text, response.thread_id, response.attempts) == (ANSWER, "thr_1", 1)
    assert [event.type for event in play.events if event.type != "raw"] == ["step", "response"]


def test_messages_without_ids_keep_their_streams() -> None:
    threads = threads_of()
    stored = {"type": "thread.item.done", "item": {"type": "user_message", "thread_id": "thr_1"}}
    texts = [ANSWER.replace("Fuerza", name) for name in ("Uno", "Dos", "Tres")]
    plays = [Play([OURS, Scene([stored, done(text)])]) for text in texts]
    plays[0].answers = [NONE, *plays[0].answers[1:]]
    runs = [start(play, threads) for play in plays]
    assert {run.message_id for run in runs} == {None}
    assert [follow(Play([]), threads, run).text for run in runs] == texts


@pytest.mark.parametrize("other", [{"previous_id": "msg_7"}, {"thread_id": "thr_0"}])
def test_run_in_doubt_ignores_other_runs_stream(other: dict[str, str]) -> None:
    threads, run = begun(done(ANSWER))
    in_doubt = run.model_copy(update={"message_id": None, **other})
    messages = [
        item("assistant_message", "msg_9", ANSWER.replace("Fuerza", "Antes")),
        item("user_message", "msg_8", "hello"),
        item("user_message", "msg_7", "hello"),
    ]
    earlier = items(*messages[: 3 if in_doubt.previous_id else 2])
    assert "Antes" in follow(Play([earlier]), threads, in_doubt).text
    assert "Fuerza" in follow(Play([]), threads, run).text


@pytest.mark.parametrize("after", ["msg_1", None])
def test_ids_find_the_open_stream(after: str | None) -> None:
    runs, _ = begun(done(ANSWER))
    response = follow(Play([]), runs, RunReference(message_id=after, session_id="cksess_1"))
    assert (response.text, response.thread_id) == (ANSWER, "thr_1")


def test_ids_find_known_thread() -> None:
    runs, _ = begun(breaks_with=LOST)
    ours = item("user_message", "msg_1", "hello")
    run = RunReference(message_id="msg_1", session_id="cksess_1")
    for _ in range(2):
        play = Play([items(item("assistant_message", "msg_3", ANSWER), ours)])
        assert follow(play, runs, run).text == ANSWER


@pytest.mark.parametrize(
    "events", [[], [done('{"profile": 1}')], [done(ANSWER[:-9])], [done("Working on it")]]
)
def test_answer_missing_in_stream_is_looked_up(events: Any) -> None:
    """A proxy ends the stream without an error after its server has failed."""
    runs, message = begun(*events)
    stored = items(
        item("assistant_message", "msg_3", ANSWER),
        *(item("assistant_message", "msg_2", "{}") for _ in events),
        item("user_message", "msg_1", "hello"),
    )
    play = Play([api_error(503), stored])
    assert follow(play, runs, message).text == ANSWER
    assert kinds(play) == ["GET /threads/thr_1/items"] * 2


def test_refused_thread_does_not_confirm_the_end() -> None:
    workflow = Workflow(config(protocol="threads"))
    operation, play = send_in(workflow, HOSTED, NONE, Scene([CREATED, TAKEN, done("Sorry.")]))
    run = play.run(operation)
    waiting = Waiting(poll_interval=2.0, max_attempts=3, answer="program")
    operation = workflow.poll_response(HOSTED, run, waiting, watched=False)
    with pytest.raises(PermissionDeniedError) as caught:
        Play([api_error(403)] * 2).run(operation)
    assert (caught.value.text, caught.value.run) == ("Sorry.", run)


def test_failed_run_is_not_looked_up() -> None:
    runs, message = begun(done('{"error": "no tokens"}'))
    with pytest.raises(WorkflowFailedError):
        follow(Play([]), runs, message)


def test_expired_client_secret_is_explained() -> None:
    with pytest.raises(AuthenticationError, match="create_session"):
        start(Play([NONE, api_error(401)]))


def test_stream_without_answer_ends_the_run() -> None:
    runs, message = begun()
    with pytest.raises(WorkflowTimeoutError, match="stream ended") as caught:
        follow(Play([items(item("user_message", "msg_1", "hello"))]), runs, message)
    # Users paste the call from the text into another process.
    text = str(caught.value)
    call = text[text.index("poll_response(") :].rstrip(".")
    references: list[str] = []
    exec(call, {"poll_response": references.append})
    assert [RunReference.model_validate_json(text) for text in references] == [message]


def test_broken_stream_continues_with_the_thread() -> None:
    runs, message = begun(done('{"profile": 1}'), breaks_with=LOST)
    ours = item("user_message", "msg_1", "hello")
    step = item("assistant_message", "msg_2", '{"profile": 1}')
    answered = items(item("assistant_message", "msg_3", ANSWER), step, ours)
    play = Play([items(step, ours), api_error(503), answered])
    response = follow(play, runs, message)
    assert (response.text, response.attempts, play.sleeps) == (ANSWER, 3, [2.0, 2.0])
    assert sum(event.type == "step" for event in play.events) == 1


def test_thread_is_read_page_after_page() -> None:
    message = RunReference(message_id="msg_1", session_id="cksess_1", thread_id="thr_1")
    task = {"type": "chatkit.task", "id": "t"}
    first = items(item("assistant_message", "msg_3", ANSWER), task, more=True)
    play = Play([first, items(item("user_message", "msg_1", "hello"))])
    assert follow(play, threads_of(), message).text == ANSWER
    assert "after=t" in play.requests[1].url


def test_repeated_page_ends_the_list() -> None:
    message = RunReference(message_id="msg_1", session_id="cksess_1", thread_id="thr_1")
    page = items(item("assistant_message", "msg_3", ANSWER), more=True)
    assert follow(Play([page, page]), threads_of(), message).text == ANSWER


def test_refused_list_error_has_run() -> None:
    message = RunReference(message_id="msg_1", session_id="cksess_1", thread_id="thr_1")
    waiting = Waiting(poll_interval=2.0, max_attempts=3, answer="program")
    workflow = Workflow(config(protocol="threads"))
    operation = workflow.poll_response(HOSTED, message, waiting, watched=True)
    with pytest.raises(AuthenticationError) as caught:
        Play([api_error(401)]).run(operation)
    assert (caught.value.session, caught.value.run) == (HOSTED, message)


def test_id_alone_does_not_find_its_thread() -> None:
    with pytest.raises(InvalidInputError, match="RunReference with its thread_id"):
        follow(Play([]), threads_of(), RunReference(message_id="msg_1", session_id="cksess_9"))


def test_program_before_broken_stream_counts() -> None:
    runs, message = begun(done(ANSWER), breaks_with=LOST)
    assert follow(Play([]), runs, message).text == ANSWER
    failed = {"type": "error", "message": "no capacity", "allow_retry": True}
    runs, message = begun(failed, breaks_with=LOST)
    with pytest.raises(WorkflowFailedError, match="no capacity"):
        follow(Play([]), runs, message)
    half = {"type": "assistant_message", "id": "msg_2", "content": []}
    delta = {"type": "assistant_message.content_part.text_delta", "delta": ANSWER[:30]}
    runs, message = begun(
        {"type": "thread.item.added", "item": half},
        {"type": "thread.item.updated", "item_id": "msg_2", "update": delta},
        breaks_with=LOST,
    )
    ours = items(item("user_message", "msg_1", "hello"))
    # The stream broke, so it is unknown whether the model cut the answer.
    with pytest.raises(WorkflowTimeoutError) as caught:
        follow(Play([ours] * 3), runs, message)
    assert caught.value.text == ANSWER[:30]


def test_early_events_are_emitted() -> None:
    runs, message = begun(done(ANSWER))
    play = Play([])
    follow(play, runs, message)
    raw = [event.data["type"] for event in play.events if isinstance(event, RawEvent)]
    assert raw == ["thread.created", "thread.item.done", "thread.item.done"]


def test_echoed_secret_is_hidden() -> None:
    session = ChatSession(id="cksess_1", client_secret="ek_hidden_1", user="ana")
    own = own_server(headers={"Authorization": "Bearer own-token-1"})
    for threads, secret in ((threads_of(), "ek_hidden_1"), (own, "own-token-1")):
        with pytest.raises(APIError) as caught:
            start(Play([NONE, api_error(401, f"Incorrect token {secret}")]), threads, session)
        assert secret not in str(caught.value) + str(vars(caught.value))


def test_exception_of_the_headers_function_passes_through() -> None:
    def headers() -> dict[str, str]:
        raise OSError("token endpoint down")

    play = Play([])
    with pytest.raises(OSError, match="token endpoint"):
        start(play, own_server(headers=headers))


# --- which protocol -----------------------------------------------------------------------------


def send_in(workflow: Workflow, session: ChatSession, *answers: Scripted) -> tuple[Any, Play]:
    waiting = Waiting(poll_interval=2.0, max_attempts=3, answer="program")
    return workflow.send_message(session, Prepared("hello"), waiting), Play(answers)


REFUSED = api_error(404, "Invalid URL (POST /v1/chatkit/sessions/x/messages)")


def test_auto_continues_with_threads() -> None:
    workflow = Workflow(config())
    operation, play = send_in(workflow, HOSTED, REFUSED, REFUSED, NONE, Scene([CREATED, TAKEN]))
    assert play.run(operation).thread_id == "thr_1"
    # The second session does not try session messages again.
    other = HOSTED.model_copy(update={"id": "cksess_2"})
    operation, play = send_in(workflow, other, NONE, Scene([CREATED, TAKEN]))
    assert play.run(operation).thread_id == "thr_1"


def test_auto_retries_each_concurrent_first_run() -> None:
    workflow = Workflow(config())
    plays: list[tuple[Any, Any]] = []
    for number in range(10):
        session = ChatSession(id=f"cksess_{number}", client_secret="ek_1", user="ana")
        waiting = Waiting(poll_interval=2.0, max_attempts=3, answer="program")
        operation = workflow.send_message(session, Prepared("hello"), waiting)
        # All runs begin before the first is refused.
        assert isinstance(next(operation), Now)
        plays.append((operation, operation.send(1000.0)))
    for operation, effect in plays:
        play = Play([REFUSED, NONE, Scene([CREATED, TAKEN])])
        refusal = replace(REFUSED, request=effect.request)
        assert play.run(operation, reply=refusal).thread_id == "thr_1"


def test_auto_ignores_a_gateways_page() -> None:
    page = Response(404, {}, b"<h1>Not Found</h1>")
    workflow = Workflow(config())
    operation, play = send_in(workflow, HOSTED, NONE, page)
    with pytest.raises(EndpointNotFoundError):
        play.run(operation)
    operation, play = send_in(workflow, HOSTED, NONE, answer({"id": "msg_1"}))
    assert play.run(operation).message_id == "msg_1"


def test_auto_ignores_page_of_proxy() -> None:
    workflow = Workflow(config())
    page = Response(200, {}, b"<h1>Welcome to the hotel</h1>")
    operation, play = send_in(workflow, HOSTED, NONE, page)
    assert play.run(operation).message_id is None
    operation, play = send_in(workflow, HOSTED, NONE, REFUSED, NONE, Scene([CREATED, TAKEN]))
    assert play.run(operation).thread_id == "thr_1"


def test_auto_keeps_the_learned_protocol() -> None:
    workflow = Workflow(config())
    operation, play = send_in(workflow, HOSTED, NONE, answer({"id": "msg_1"}))
    play.run(operation)
    operation, play = send_in(workflow, HOSTED, NONE, REFUSED)
    with pytest.raises(EndpointNotFoundError):
        play.run(operation)


def test_auto_does_not_resend_in_doubt() -> None:
    operation, play = send_in(Workflow(config()), HOSTED, NONE, api_error(502), *[REFUSED] * 4)
    with pytest.raises(EndpointNotFoundError, match="may have been stored") as caught:
        play.run(operation)
    assert caught.value.may_have_been_taken
    assert [request.method for request in play.requests] == ["GET", "POST", *["GET"] * 4]


def test_auto_explains_a_session_without_secret() -> None:
    operation, play = send_in(Workflow(config()), ChatSession(id="cksess_1"), NONE, REFUSED)
    with pytest.raises(EndpointNotFoundError, match="create_session"):
        play.run(operation)


def test_error_after_a_program_keeps_it() -> None:
    failed = {"type": "error", "code": "custom", "message": "late", "allow_retry": False}
    runs, message = begun(done(ANSWER), failed)
    assert follow(Play([]), runs, message).text == ANSWER


# --- the end of a run -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "cls"),
    [
        (['{"profile": 1}', '{"training_plan": 1}'], MissingProgramError),
        (["Sorry, no."], InvalidResponseError),
        ([ANSWER[:-9]], TruncatedResponseError),
        ([ANSWER[:-9], "All done."], TruncatedResponseError),
    ],
)
def test_end_of_stream_ends_run(texts: list[str], cls: type[Exception]) -> None:
    runs, message = begun(*(done(text, f"msg_{n}") for n, text in enumerate(texts, 2)))
    with pytest.raises(cls) as caught:
        follow(Play([OURS]), runs, message)
    assert type(caught.value) is cls
    if isinstance(caught.value, MissingProgramError):
        assert caught.value.keys == ("profile", "training_plan")


@pytest.mark.parametrize("failed", [api_error(502), api_error(404), APIConnectionError("refused")])
def test_unreadable_thread_is_waited_for(failed: Scripted) -> None:
    """A proxy ends the stream without an error while its server restarts."""
    runs, message = begun(done('{"profile": 1}'))
    ours = item("user_message", "msg_1", "hello")
    answered = items(item("assistant_message", "msg_3", ANSWER), ours)
    play = Play([failed, failed, items(ours), answered])
    assert follow(play, runs, message, attempts=5).text == ANSWER
    runs, message = begun(done('{"profile": 1}'))
    with pytest.raises(WorkflowTimeoutError) as caught:
        follow(Play([failed] * 4), runs, message)
    assert caught.value.steps == ('{"profile": 1}',)


def test_oldest_sessions_are_forgotten() -> None:
    threads = threads_of()
    failed = {"type": "error", "message": "no capacity"}
    runs: list[RunReference] = []
    for number in range(MOST_SESSIONS + 2):
        session = ChatSession(id=f"cksess_{number}", client_secret="ek_1", user="ana")
        runs.append(start(Play([NONE, Scene([CREATED, TAKEN, failed])]), threads, session))
        if number > 0:
            with pytest.raises(WorkflowFailedError):
                follow(Play([]), threads, runs[-1])
    open_stream, forgotten, remembered = runs[0], runs[1], runs[-1]
    assert threads.state_of(forgotten.session).thread_id is None
    with pytest.raises(WorkflowTimeoutError):
        follow(Play([OURS]), threads, forgotten, attempts=1)
    for run in (remembered, open_stream):
        assert threads.state_of(run.session).thread_id == "thr_1"
        with pytest.raises(WorkflowFailedError):
            follow(Play([]), threads, run)


@pytest.mark.parametrize("error", [ZeroDivisionError(), GeneratorExit()])
def test_abandoned_run_releases_its_stream(
    error: BaseException,
) -> None:
    scene = Scene([CREATED, TAKEN])
    workflow = Workflow(config(protocol="threads"))
    waiting = Waiting(poll_interval=2.0, max_attempts=60, answer="program")
    operation = workflow.run(Prepared("hello"), "ana", waiting, watched=True)
    reply: object = None
    answers: list[object] = [answer({"id": "cksess_1", "client_secret": "ek_1"}), NONE, scene]
    while True:
        effect = operation.send(reply)
        reply = 1000.0 if isinstance(effect, Now) else None
        if isinstance(effect, (Send, Open)):
            reply = answers.pop(0)
        elif isinstance(effect, Read):
            reply = (json.dumps(scene.events.pop(0)),)
        elif isinstance(effect, Emit) and isinstance(effect.event, MessageSentEvent):
            break
    with pytest.raises(type(error)):
        operation.throw(error)
    assert not scene.keep_open


def test_stream_is_followed_by_one_call_alone() -> None:
    threads, message = begun(done(ANSWER))
    session = HOSTED.model_copy(update={"id": message.session_id})
    live = threads.state_of(session).find(message)
    assert live is not None
    # Another call reads what has arrived in the stream.
    assert live.begin()
    waiting = Waiting(poll_interval=2.0, max_attempts=3, answer="program")
    runs = [Run(Inbox(session, message), waiting, 0.0, is_sent=True) for _ in range(2)]
    assert isinstance(next(threads.follow(runs[0])), Sleep)
    # It would wait for ever for its turn.
    second = threads.follow(runs[1])
    effect = next(second)
    while isinstance(effect, Now):
        effect = second.send(0.0)
    assert isinstance(effect, Send)


def test_thread_that_the_server_does_not_name_is_followed() -> None:
    threads = threads_of()
    taken = {"type": "thread.item.done", "item": {"type": "user_message", "id": "msg_1"}}
    run = start(Play([NONE, Scene([taken, done(ANSWER)])]), threads)
    assert run.thread_id is None
    assert follow(Play([]), threads, run).text == ANSWER


def test_streams_of_one_session_that_start_together_are_kept() -> None:
    threads, waiting = threads_of(), Waiting(2.0, 60, "program")
    inbox = Inbox(HOSTED, RunReference(session_id=HOSTED.id, user="ana"), message_text="hello")
    run = Run(inbox, waiting, 0.0, keep_open=True)
    first = threads.start(run, Prepared("hello"))
    assert isinstance(next(first), Send)
    assert isinstance(first.send(NONE), Open)
    item = {"type": "user_message", "id": "msg_9", "thread_id": "thr_1"}
    other = {"type": "thread.item.done", "item": item}
    second = start(Play([NONE, Scene([CREATED, other, done(ANSWER)])]), threads)
    Play([]).run(first, reply=Scene([CREATED, TAKEN, done(ANSWER)]))
    assert {run.inbox.reference.message_id, second.message_id} == {"msg_1", "msg_9"}
    assert follow(Play([]), threads, second).text == ANSWER
    assert follow(Play([]), threads, run.inbox.reference).text == ANSWER
