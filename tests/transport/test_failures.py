"""Transport failures become errors of this package, and foreign exceptions pass through."""

from __future__ import annotations

import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from types import FrameType
from typing import Any

import anyio
import httpx
import httpx2
import pytest
from pydantic import SecretStr

from edn360_chatkit import APIConnectionError, APITimeoutError, ConfigurationError
from edn360_chatkit._effects import Emitting, emit
from edn360_chatkit._transport import AsyncDriver, SyncDriver
from tests.support.patience import PATIENCE, Hold
from tests.support.raw_server import Exchange, raw_server, reply
from tests.support.transport import get, post, settings, status

from .servers import LIBRARIES

URL = "http://127.0.0.1:9/chatkit"


class JobTimeLimitError(Exception):
    """Like Celery's ``SoftTimeLimitExceeded``."""


Handler = Callable[[int, FrameType | None], object]


@contextmanager
def alarm(
    seconds: float, error: type[BaseException], handler: Handler | None = None
) -> Iterator[None]:
    """Raise an exception in the main thread after so many seconds."""

    def strike(*args: object) -> None:
        raise error("time limit")

    before = signal.signal(signal.SIGALRM, handler or strike)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    "error", [JobTimeLimitError, KeyboardInterrupt, AssertionError, OSError, TimeoutError]
)
def test_exception_of_signal_handler_passes_through(error: type[BaseException]) -> None:
    silent = iter([True])

    def answer(exchange: Exchange) -> Iterable[bytes]:
        if next(silent, False):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)
            time.sleep(0.4)
        yield reply({})

    with raw_server(answer) as server:
        driver = SyncDriver(settings(server.server_url), None)
        with alarm(PATIENCE, error), pytest.raises(error, match="time limit") as caught:
            driver.run(get(server.server_url))
        # The frames of httpx and httpcore hold headers and bodies.
        frames = "".join(traceback.format_tb(caught.value.__traceback__))
        assert "httpx" not in frames
        assert "httpcore" not in frames
        assert server.requests == ["GET /chatkit"]
        assert driver.run(status(server.server_url)) == 200
        driver.close()


def handler_without_its_frame(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise TimeoutError("time limit")


def handler_that_uninstalls_itself(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    raise TimeoutError("time limit")


class CallableHandler:
    def __call__(self, *args: object) -> None:
        raise ConnectionResetError("time limit")


@pytest.mark.parametrize(
    ("library", "handler"),
    [
        (None, handler_without_its_frame),
        (httpx, handler_that_uninstalls_itself),
        (httpx2, CallableHandler()),
    ],
)
def test_os_error_of_signal_handler_passes_through(library: Any, handler: Handler) -> None:
    """The handler raises during a write, where httpcore ignores an ``OSError``."""
    left = threading.Event()

    def answer(exchange: Exchange) -> Iterable[bytes]:
        yield reply({})
        # Of the second request, only the beginning is read.
        exchange.connection.recv(1)
        time.sleep(0.1)  # the buffers are full by now
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)
        left.wait(PATIENCE)

    http = library and library.Client()
    with raw_server(answer) as server:
        driver = SyncDriver(settings(server.server_url), http)
        driver.run(get(server.server_url))
        with (
            alarm(PATIENCE, TimeoutError, handler),
            pytest.raises(OSError, match="time limit") as caught,
        ):
            driver.run(post(server.server_url, bytes(20_000_000)))
        assert caught.value.__context__ is None
        left.set()
        driver.close()
        if http is not None:
            http.close()


def test_time_limit_strikes_while_client_is_made() -> None:
    """Nearly all the time, certificates are loaded: a failure there is an ``OSError``, too."""
    url = URL.replace("http:", "https:")
    drivers = (SyncDriver(settings(url), None) for _ in range(1000))
    with alarm(0.1, TimeoutError), pytest.raises(TimeoutError, match="time limit"):
        list(drivers)


def test_cause_of_transport_error_has_no_traceback() -> None:
    driver = SyncDriver(settings(URL), None)
    with pytest.raises(APIConnectionError) as caught:
        driver.run(post(URL, b"secret"))
    cause = caught.value.__cause__
    assert isinstance(cause, httpx.ConnectError)
    while cause is not None:
        assert cause.__traceback__ is None
        cause = cause.__cause__ or cause.__context__
    driver.close()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:9/chatkit", "connection was refused"),
        ("http://localhost:9/chatkit", "connection was refused"),
        ("http://unknown-host.invalid/chatkit", "name of the host was not resolved"),
    ],
)
def test_connection_error_names_the_reason(url: str, reason: str) -> None:
    with (
        closing(SyncDriver(settings(url), None)) as driver,
        pytest.raises(APIConnectionError, match=reason),
    ):
        driver.run(get(url))

    async def main() -> None:
        driver = AsyncDriver(settings(url), None)
        with pytest.raises(APIConnectionError, match=reason):
            await driver.run(get(url))
        await driver.aclose()

    anyio.run(main)


def test_handled_exception_keeps_its_traceback() -> None:
    driver = SyncDriver(settings(URL), None)
    try:
        raise ValueError("the caller's")
    except ValueError as error:
        handled = error
        with pytest.raises(APIConnectionError):
            driver.run(get(URL))
    assert handled.__traceback__ is not None
    driver.close()


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("error", [AssertionError, JobTimeLimitError, RuntimeError])
def test_exception_of_callers_hook_passes_through(library: Any, error: type[Exception]) -> None:
    def hook(request: Any) -> None:
        raise error("mine")

    with library.Client(event_hooks={"request": [hook]}) as http:
        driver = SyncDriver(settings(URL), http)
        with pytest.raises(error, match="mine"):
            driver.run(get(URL))


@pytest.mark.parametrize("library", LIBRARIES)
def test_exception_of_callers_transport_passes_through(library: Any) -> None:
    def handler(request: Any) -> Any:
        raise AssertionError("unexpected request")

    async def main() -> None:
        async with library.AsyncClient(transport=library.MockTransport(handler)) as http:
            with pytest.raises(AssertionError, match="unexpected request"):
                await AsyncDriver(settings(URL), http).run(get(URL))

    anyio.run(main)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("reads", [True, False])
def test_raise_for_status_in_hook_gives_status(library: Any, reads: bool) -> None:
    def hook(response: Any) -> None:
        if reads:
            response.read()
        response.raise_for_status()

    with (
        raw_server(lambda exchange: [reply({"error": {}}, status=401)]) as server,
        library.Client(event_hooks={"response": [hook]}) as http,
    ):
        response = SyncDriver(settings(server.server_url), http).run(get(server.server_url))
    assert response.status == 401
    assert response.content == (b'{"error": {}}' if reads else b"")


@pytest.mark.parametrize("library", LIBRARIES)
def test_early_read_in_hook_gives_status(library: Any) -> None:
    async def hook(response: Any) -> None:
        str(response.text)

    async def main(url: str) -> int:
        async with library.AsyncClient(event_hooks={"response": [hook]}) as http:
            return await AsyncDriver(settings(url), http).run(status(url))

    with raw_server(lambda exchange: [reply({}, status=403)]) as server:
        assert anyio.run(main, server.server_url) == 403
    with (
        raw_server(lambda exchange: [reply({})]) as server,
        pytest.raises(library.ResponseNotRead),
    ):
        anyio.run(main, server.server_url)


def test_closed_client_is_refused_before_sending() -> None:
    driver = SyncDriver(settings(URL), None)
    driver.close()
    with pytest.raises(ConfigurationError, match="closed"):
        driver.run(get(URL))
    http = httpx.Client()
    http.close()
    with pytest.raises(ConfigurationError, match="closed"):
        SyncDriver(settings(URL), http).run(get(URL))


@pytest.mark.parametrize("library", [None, *LIBRARIES])
def test_refused_connection_did_not_arrive(library: Any) -> None:
    http = library and library.Client()
    with pytest.raises(APIConnectionError) as caught:
        SyncDriver(settings(URL), http).run(get(URL))
    assert not caught.value.may_have_arrived


@pytest.mark.parametrize("library", [None, *LIBRARIES])
def test_broken_response_may_have_arrived(library: Any) -> None:
    http = library and library.Client()
    with (
        raw_server(lambda exchange: [b"no HTTP\r\n\r\n"]) as server,
        pytest.raises(APIConnectionError) as caught,
    ):
        SyncDriver(settings(server.server_url), http).run(get(server.server_url))
    assert caught.value.may_have_arrived


def test_transport_without_trace_may_have_sent() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("as a mock does")

    with (
        httpx.Client(transport=httpx.MockTransport(handler)) as http,
        pytest.raises(APIConnectionError) as caught,
    ):
        SyncDriver(settings(URL), http).run(get(URL))
    assert caught.value.may_have_arrived


TRANSPORT_ERRORS = [
    *(httpx.ConnectTimeout, httpx.ReadTimeout, httpx.WriteTimeout, httpx.ReadError),
    *(httpx.WriteError, httpx.ProxyError, httpx.RemoteProtocolError, httpx.LocalProtocolError),
]


@pytest.mark.parametrize("failure", TRANSPORT_ERRORS)
def test_transport_error_is_not_quoted(failure: type[httpx.TransportError]) -> None:
    """A protocol error quotes the header that it rejects."""

    def handler(request: httpx.Request) -> httpx.Response:
        raise failure("hidden")

    with (
        httpx.Client(transport=httpx.MockTransport(handler)) as http,
        pytest.raises(APIConnectionError, match=failure.__name__) as caught,
    ):
        SyncDriver(settings(URL), http).run(get(URL))
    assert isinstance(caught.value, APITimeoutError) is issubclass(failure, httpx.TimeoutException)
    assert "hidden" not in str(caught.value)


def test_request_queued_by_caller_did_not_arrive() -> None:
    hold = Hold()
    limits = httpx.Limits(max_connections=1)
    with raw_server(hold) as server, httpx.Client(limits=limits, timeout=PATIENCE) as http:
        busy = threading.Thread(target=http.get, args=(server.server_url,))
        busy.start()
        assert hold.arrived.wait(PATIENCE)
        with pytest.raises(APITimeoutError, match="busy") as caught:
            SyncDriver(settings(server.server_url), http).run(get(server.server_url), deadline=0.3)
        hold.released.set()
        busy.join()
    assert not caught.value.may_have_arrived


@pytest.mark.parametrize("library", [None, *LIBRARIES])
def test_request_headers_have_credential_and_identity(library: Any) -> None:
    heads: list[bytes] = []

    def answer(exchange: Exchange) -> Iterable[bytes]:
        heads.append(exchange.head.lower())
        yield reply({})

    responses: list[Any] = []
    http = library and library.Client(
        auth=("user", "password"), event_hooks={"response": [responses.append]}
    )
    with raw_server(answer) as server:
        driver = SyncDriver(settings(server.server_url), http)
        driver.run(get(server.server_url, credential=SecretStr("sk-1")))
        driver.run(get(server.server_url))
        driver.close()
        if http is not None:
            http.close()
    assert b"authorization: bearer sk-1" in heads[0]
    assert b"authorization" not in heads[1]
    assert b"accept-encoding: identity" in heads[0]
    assert all("authorization" not in response.request.headers for response in responses)


@pytest.mark.parametrize("kind", ["Client", "AsyncClient"])
def test_other_http_client_is_refused(kind: str) -> None:
    make: Callable[..., object] = SyncDriver if kind == "Client" else AsyncDriver
    wrong = httpx.AsyncClient() if kind == "Client" else httpx.Client()
    with pytest.raises(ConfigurationError, match=rf"httpx\.{kind}"):
        make(settings(URL), wrong)


def test_stop_iteration_of_a_callback_passes_through() -> None:
    def fail(event: str) -> None:
        raise StopIteration

    def operation() -> Emitting[str, None]:
        yield from emit("event")

    driver = SyncDriver(settings("http://127.0.0.1:1"), None)
    with pytest.raises(StopIteration):
        driver.run(operation(), fail)
