"""The faults that a test sets: streams that break or stall, and requests that fail."""

from __future__ import annotations

import time

import httpx
import pytest

from edn360_chatkit.testing import ChatKitSimulator, Endpoint
from tests.simulator.conftest import SESSION
from tests.support.patience import eventually, growing
from tests.support.thread_client import TEXT, ThreadClient, message_input


def test_stream_is_cut_after_set_bytes(sim: ChatKitSimulator, client: ThreadClient) -> None:
    sim.answer = lambda text: "x" * 1000
    whole, failure = client.read_until_error()
    assert failure is None
    length = len(whole)
    for at in (0, 1, 97, 1000, length - 1, length):
        sim.cut_next_stream(at)
        received, failure = client.read_until_error()
        assert (len(received), type(failure)) == (at, httpx.RemoteProtocolError)
    sim.cut_next_stream(length + 1)  # beyond the last byte
    received, failure = client.read_until_error()
    assert (len(received), failure) == (length, None)
    received, failure = client.read_until_error()
    assert (len(received), failure) == (length, None)


@pytest.mark.parametrize("survives", [False, True])
@pytest.mark.parametrize("at", [0, 200, 6000])
def test_cut_cancels_run_unless_it_survives(
    sim: ChatKitSimulator, client: ThreadClient, hosted: ThreadClient, at: int, survives: bool
) -> None:
    sim.survives_hang_up = survives
    sim.cut_next_stream(at)
    received, _ = client.read_until_error()
    assert len(received) == at
    if survives or client.url == hosted.url:
        assert eventually(client.has_answer)
    else:
        time.sleep(0.1)
        assert not client.has_answer()
    assert client.newest_items()[-1]["type"] == "user_message"
    assert sim.runs == 1


def test_cancelled_run_stores_partial_message(
    sim: ChatKitSimulator, self_hosted: ThreadClient
) -> None:
    sim.delta_size = 10
    sim.answer = lambda text: "x" * 1000
    whole, _ = self_hosted.read_until_error()
    sim.cut_next_stream(whole.index(b"text_delta", len(whole) // 2))
    self_hosted.read_until_error()
    item = self_hosted.newest_items()[0]
    assert item["type"] == "assistant_message"
    assert 10 <= len(item["content"][0]["text"]) < 1000
    # A message without text is not stored.
    sim.cut_next_stream(whole.index(b"content_part.added"))
    self_hosted.read_until_error()
    assert self_hosted.newest_items()[0]["type"] == "workflow"


@pytest.mark.parametrize("survives", [False, True])
def test_hang_up_cancels_run_unless_it_survives(
    sim: ChatKitSimulator, client: ThreadClient, hosted: ThreadClient, survives: bool
) -> None:
    for delay in growing(0.1):
        sim.delay, sim.survives_hang_up = delay, survives
        client.hang_up(after=lambda event: event["type"] == "progress_update")
        if survives or client.url == hosted.url:
            assert eventually(client.has_answer)
            return
        time.sleep(2 * delay)
        if not client.has_answer():
            return
        # The run may have ended before the hang-up.
    pytest.fail("the run goes on")


@pytest.mark.parametrize("keep_alive", [0.0, 0.05])
def test_hang_up_does_not_shorten_the_run(
    sim: ChatKitSimulator, hosted: ThreadClient, keep_alive: float
) -> None:
    sim.delay, sim.keep_alive = 0.5, keep_alive
    started = time.monotonic()
    hosted.hang_up(after=lambda event: event["type"] == "progress_update")
    assert eventually(hosted.has_answer)
    assert time.monotonic() - started >= 0.5


def test_hang_up_stops_long_message(sim: ChatKitSimulator, self_hosted: ThreadClient) -> None:
    sim.answer, sim.delta_size = (lambda text: "x" * 500_000), 1
    self_hosted.hang_up(after=lambda event: "delta" in event.get("update", {}))
    assert eventually(lambda: len(self_hosted.newest_items()) == 3)
    assert 0 < len(self_hosted.newest_items()[0]["content"][0]["text"]) < 500_000


def test_stalled_stream_continues(sim: ChatKitSimulator, client: ThreadClient) -> None:
    whole, _ = client.read_until_error()
    sim.stall_next_stream(at=150, seconds=0.2)
    sim.keep_alive = 0.01
    request = client.request("threads.create", input=message_input())
    started, after, received = time.monotonic(), list[float](), 0
    with client.http.stream(
        "POST", request.url, content=request.content, headers=request.headers
    ) as response:
        for chunk in response.iter_raw():
            received += len(chunk)
            if received > 150:
                after.append(time.monotonic())
    assert received == len(whole)
    assert after[0] - started >= 0.2


def test_hang_up_ends_stall(sim: ChatKitSimulator, hosted: ThreadClient) -> None:
    for timeout in growing(0.1):
        sim.stall_next_stream(at=300, seconds=600.0)
        impatient = ThreadClient(httpx.Client(timeout=timeout), hosted.url, hosted.headers)
        with impatient.http:
            received, failure = impatient.read_until_error()
        if len(received) == 300:
            break
    assert (len(received), type(failure)) == (300, httpx.ReadTimeout)
    assert eventually(hosted.has_answer)


def test_each_stream_takes_one_fault(sim: ChatKitSimulator, self_hosted: ThreadClient) -> None:
    sim.cut_next_stream(10)
    sim.cut_next_stream(20)
    sim.stall_next_stream(5, 0.05)
    self_hosted.post("threads.list")  # a response without a stream takes no fault
    assert [len(self_hosted.read_until_error()[0]) for _ in range(2)] == [10, 20]
    assert self_hosted.read_until_error()[1] is None


@pytest.mark.parametrize(
    ("endpoint", "method", "path"),
    [
        ("list_threads", "GET", "/threads"),
        ("retrieve_thread", "GET", "/threads/{id}"),
        ("list_items", "GET", "/threads/{id}/items"),
        ("delete_thread", "DELETE", "/threads/{id}"),
    ],
)
@pytest.mark.parametrize("stored", [False, True])
def test_rest_endpoint_fails_as_set(
    sim: ChatKitSimulator,
    rest: httpx.Client,
    hosted: ThreadClient,
    endpoint: Endpoint,
    method: str,
    path: str,
    stored: bool,
) -> None:
    path = path.format(id=hosted.run()[0]["thread"]["id"])
    sim.fail_next(endpoint, status=503, taken=stored, headers={"retry-after": "1"})
    response = rest.request(method, path)
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert len(sim.threads) == (0 if stored and method == "DELETE" else 1)
    sim.fail_next(endpoint, status=None)
    with pytest.raises(httpx.RemoteProtocolError):
        rest.request(method, path)


@pytest.mark.parametrize("status", [503, None])
@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("by_type", [False, True])
def test_message_fails_before_or_after_storing(
    sim: ChatKitSimulator,
    client: ThreadClient,
    hosted: ThreadClient,
    status: int | None,
    stored: bool,
    by_type: bool,
) -> None:
    by_name: Endpoint = "conversation" if client.url == hosted.url else "server"
    sim.fail_next("threads.create" if by_type else by_name, status=status, taken=stored)
    request = client.request("threads.create", input=message_input())
    if status is None:
        with pytest.raises(httpx.RemoteProtocolError):
            client.http.send(request)
    else:
        assert client.http.send(request).status_code == status
    assert (sim.runs, len(sim.threads)) == ((1, 1) if stored else (0, 0))
    if stored:
        items = client.newest_items()
        assert items[-1]["content"][0]["text"] == TEXT
        if client.url == hosted.url:
            assert eventually(client.has_answer)


def test_failure_hits_only_its_request_type(sim: ChatKitSimulator, client: ThreadClient) -> None:
    sim.fail_next("items.list", status=500)
    thread_id = client.run()[0]["thread"]["id"]
    assert client.post("items.list", thread_id=thread_id).status_code == 500
    assert client.post("items.list", thread_id=thread_id).status_code == 200


def test_next_request_fails_as_set(sim: ChatKitSimulator, rest: httpx.Client) -> None:
    sim.fail_next("create_session", status=503, headers={"retry-after": "9"})
    response = rest.post("/sessions", json=SESSION)
    assert response.json()["error"]["type"] == "server_error"
    assert (response.status_code, response.headers["retry-after"]) == (503, "9")
    sim.fail_next("create_session", status=None, times=2)
    for _ in range(2):
        with pytest.raises(httpx.RemoteProtocolError):
            rest.post("/sessions", json=SESSION)
    assert not sim.sessions
    assert rest.post("/sessions", json=SESSION).status_code == 200
    sim.fail_next("create_session", status=500, taken=True)
    assert rest.post("/sessions", json=SESSION).status_code == 500
    assert len(sim.sessions) == 2


def test_failure_of_unknown_endpoint_is_refused(sim: ChatKitSimulator) -> None:
    with pytest.raises(ValueError, match="endpoint 'sesions'; the endpoints are create_session, "):
        sim.fail_next("sesions")  # type: ignore[arg-type]
