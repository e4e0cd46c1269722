"""A message over the thread protocol whose answer is lost: found again, sent again, or in doubt."""

from __future__ import annotations

from typing import Any

import pytest

from edn360_chatkit import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    RunReference,
    WorkflowTimeoutError,
)
from edn360_chatkit._effects import Response
from edn360_chatkit._protocol.inputs import Prepared
from edn360_chatkit._protocol.run import Waiting
from edn360_chatkit._protocol.workflow import Workflow
from edn360_chatkit.models.run import digest
from tests.support.samples import ANSWER
from tests.support.script import Play, Scene, Scripted, answer, api_error, config

from .thread_runs import (
    CREATED,
    ITEMS,
    LOST,
    NONE,
    OURS,
    REFUSED,
    TAKEN,
    item,
    items,
    kinds,
    start,
    threads_of,
)


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


def test_stream_without_message_is_no_denial() -> None:
    play = Play([api_error(404, "no list"), Scene([])])
    with pytest.raises(APIConnectionError, match=r"without a sign .* may have been stored"):
        start(play)


def test_any_message_in_own_thread_is_ours() -> None:
    other = items(item("user_message", "msg_1", "written anew by the server"))
    assert start(Play([NONE, Scene([CREATED], LOST), other])).message_id == "msg_1"


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
def test_run_of_earlier_process_is_never_sent(protocol: str, previous: str | None) -> None:
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


@pytest.mark.parametrize(
    "page",
    [*(answer({"data": data}) for data in (None, "closed")), answer({}), api_error(503)],
)
def test_page_without_list_leaves_doubt(page: Response) -> None:
    play = Play([NONE, LOST, *[page] * 4])
    with pytest.raises(APIError, match="may have been stored"):
        start(play)
    assert kinds(play).count("threads.create") == 1
