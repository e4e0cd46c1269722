"""The targets of the fuzzers: functions that take any bytes and raise if a check fails.

Hypothesis calls them in ``test_fuzz``, and atheris in ``make fuzz``. They check that the package
raises only documented exceptions, takes linear time, keeps values in round trips, and shows no
secret.
"""

from __future__ import annotations

import json
import math
import pickle
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final, cast
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr, ValidationError

from edn360_chatkit import (
    APIError,
    ChatKitError,
    ChatSession,
    ConfigurationError,
    EDN360Input,
    EnrichedTrainingProgram,
    InvalidInputError,
    Message,
    RunReference,
)
from edn360_chatkit._config import ClientOptions, is_loopback, load_config
from edn360_chatkit._effects import Operation, Request, Response, Send
from edn360_chatkit._json import parse, whole_characters
from edn360_chatkit._protocol.answers import Failure, Program, Truncated, read_answer
from edn360_chatkit._protocol.api import make_api
from edn360_chatkit._protocol.inputs import prepare
from edn360_chatkit._protocol.listing import answers_to
from edn360_chatkit._protocol.pages import MOST_PAGES, read_back_to, read_new
from edn360_chatkit._protocol.responses import status_error
from edn360_chatkit._protocol.sending import Baseline, EarlierBaseline, our_message
from edn360_chatkit._protocol.thread_events import ThreadReader
from edn360_chatkit.models.run import digest
from edn360_chatkit.models.thread import Thread, ThreadItem
from edn360_chatkit.program.model import ROOT_KEY

KEY: Final = "sk-hidden-key"
TOKEN: Final = "hidden-token"
API: Final = make_api(load_config({"api_key": KEY, "workflow_id": "wf_demo"}, environ={}))


def text_in(data: bytes) -> str:
    """Bytes as text; bytes that are not UTF-8 become half characters."""
    return data.decode("utf-8", "surrogateescape")


def json_in(text: str | bytes) -> Any:
    """The JSON value of a text, or ``None`` if it is not JSON."""
    try:
        return parse(text)
    except ValueError:
        return None


def whole(value: Any) -> Any:
    """A JSON value without half characters."""
    return json.loads(whole_characters(json.dumps(value, ensure_ascii=False)))


def equal(first: object, second: object) -> bool:
    """Whether two JSON values are equal. NaN is equal to itself."""
    return json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)


@contextmanager
def linear(size: int) -> Iterator[None]:
    """Check that the block takes linear time, with room for a slow machine and for coverage."""
    started = time.process_time()
    yield
    assert time.process_time() - started < 2.0 + size / 20_000, "it takes too long"


def a_json_value(data: bytes) -> None:
    for text in (data, text_in(data)):
        with linear(len(data)):
            try:
                value = parse(text)
            except ValueError:
                continue
        json.dumps(value, ensure_ascii=False).encode()
        if isinstance(text, str):
            assert equal(value, whole(json.loads(text, strict=False)))


def an_answer(data: bytes) -> None:
    text = text_in(data)
    with linear(len(data)):
        answer = read_answer(text)
    if isinstance(answer, Program):
        program = answer.program.model_dump(mode="python", exclude_unset=True)
        # A repaired or escaped program differs from the text.
        if not answer.repaired and "\\" not in text:
            assert any(equal(program, value) for value in objects_in(text)), (
                "the program is not in the text"
            )
    elif isinstance(answer, Failure):
        assert len(answer.description) <= 301
    elif isinstance(answer, Truncated):
        assert "{" in text or ROOT_KEY in text or "<think" in text.lower()


def objects_in(text: str) -> Iterator[Any]:
    """Every JSON object of a text; the search is slow and simple."""
    decoder = json.JSONDecoder(strict=False)
    for start in (place for place, symbol in enumerate(text) if symbol == "{"):
        try:
            yield whole(decoder.raw_decode(text, start)[0])
        except (ValueError, RecursionError):
            continue


def a_stream(data: bytes) -> None:
    events = text_in(data).split("\n")
    watched, unwatched = ThreadReader(), ThreadReader()
    with linear(len(data)):
        for event in events:
            for result in watched.feed(event, watched=True):
                assert result is not None
                result.model_dump_json()
            assert not any(unwatched.feed(event, watched=False))
        watched.end(is_broken=True)
    unwatched.end(is_broken=True)
    assert watched.messages == unwatched.messages
    for message in watched.messages:
        message.text.encode()
        read_answer(message.text)


def an_input(data: bytes) -> None:
    value = json_in(data)
    try:
        prepared = prepare(value).check()
    except InvalidInputError as error:
        str(error).encode()
        return
    if isinstance(value, str):
        assert prepared.text == value
        return
    assert equal(json.loads(prepared.text), value), "the text differs from the input"
    EDN360Input.model_validate_json(prepared.text)


def a_program(data: bytes) -> None:
    value = json_in(data)
    try:
        program = EnrichedTrainingProgram.model_validate(value)
    except ValidationError:
        return
    assert equal(program.model_dump(mode="python", exclude_unset=True), value)
    EnrichedTrainingProgram.model_validate_json(program.model_dump_json(exclude_unset=True))


def a_stored_model(data: bytes) -> None:
    for model in (ChatSession, Message, Thread, ThreadItem):
        try:
            loaded = model.model_validate_json(data)
        except ValidationError:
            continue
        secret = loaded.client_secret if isinstance(loaded, ChatSession) else None
        stored = loaded.model_dump_json()
        again = model.model_validate_json(stored)
        assert model.model_validate_json(again.model_dump_json()) == again or "NaN" in stored
        if secret and len(secret) > 8 and data.count(secret.encode()) == 1:
            for text in (repr(loaded), stored, repr(pickle.loads(pickle.dumps(loaded)))):
                assert secret not in text


def a_config(data: bytes) -> None:
    value = json_in(data)
    if isinstance(value, dict):
        environ = value.pop("environ", None)
        options: dict[str, Any] = {name: value[name] for name in value if name in OPTIONS}
        variables = environ if isinstance(environ, dict) else {}
        check_config(options, {k: text for k, text in variables.items() if isinstance(text, str)})


OPTIONS: Final = (
    *("api_key", "workflow_id", "base_url", "server_url", "protocol", "headers", "timeout"),
    *("max_retries", "poll_interval", "max_attempts", "poll_limit"),
)
VARIABLES: Final = (
    *("EDN360_OPENAI_API_KEY", "OPENAI_API_KEY", "EDN360_TRAINING_WORKFLOW_ID"),
    *("EDN360_CHATKIT_BASE_URL", "EDN360_CHATKIT_SERVER_URL"),
)


def check_config(settings: Mapping[str, Any], environ: Mapping[str, str]) -> None:
    """Load settings of any type: they are valid, or raise a ``ConfigurationError``."""
    try:
        config = load_config(cast("ClientOptions", settings), environ)
    except ConfigurationError as error:
        str(error)
        return
    for url in (config.base_url, config.server_url or config.base_url):
        assert not set(url) & set("\r\n\t ?#"), url
        # urllib finds the host that httpx finds, and no user.
        read, parts = httpx.URL(url), urlsplit(url)
        assert (parts.scheme, parts.username) == (read.scheme, None), url
        assert parts.hostname == read.raw_host.decode().strip("[]").lower(), url
        assert parts.scheme == "https" or is_loopback(read.host), url
    if config.api_key is not None:
        secret = config.api_key.get_secret_value()
        elsewhere = repr({**settings, **environ, "api_key": None}).count(secret) > 0
        assert len(secret) < 8 or elsewhere or secret not in repr(config)
    assert config.max_attempts >= 1
    assert config.poll_interval is None or math.isfinite(config.poll_interval)


def an_error(data: bytes) -> None:
    """The bytes are a status, header lines, an empty line, and a body that echoes the secrets."""
    head, _, body = data.partition(b"\n\n")
    lines = text_in(head).split("\n")
    status = int.from_bytes(head[:2], "big") % 600
    headers = {name.lower(): value for name, _, value in (line.partition(":") for line in lines)}
    request = Request("POST", "https://x.example", {"X-Token": TOKEN}, credential=SecretStr(KEY))
    response = Response(status, headers, body.replace(b"KEY", KEY.encode()), request)
    with linear(len(data)):
        error = status_error(response, own=status % 2 == 0)
    assert error.retry_after is None or 0 <= error.retry_after < math.inf
    copy = pickle.loads(pickle.dumps(error))
    texts = str(copy) + repr(error) + repr(vars(error)) + repr(error.body)
    assert KEY not in texts
    assert TOKEN not in texts


def a_listing(data: bytes) -> None:
    """Each line of the bytes is a page of a list. After the last page, the pages repeat."""
    answers = [Response(200, {}, page) for page in data.split(b"\n")]
    request = API.lookup("items.list", "ana", "thr_1")

    with linear(len(data)):
        page = result_of(read_back_to(API, request, "msg_1", 50), answers) or []
        run = RunReference(session_id="cksess_1", message_id="msg_1")
        for message in answers_to(page, run):
            assert message.role in ("assistant", "client")
            message.text.encode()
        messages = result_of(read_new(API, request), answers) or []
        for baseline in (Baseline(messages[1:]), EarlierBaseline("msg_1")):
            with suppress(APIError):
                our_message(baseline.new(messages), digest("hello"))


def result_of(operation: Operation[Any], answers: list[Response]) -> Any:
    """The result of an operation, or ``None`` if it raises a ``ChatKitError``."""
    reply = None
    for count in range(MOST_PAGES + 1):
        try:
            effect = operation.send(reply)
        except StopIteration as stop:
            return stop.value
        except ChatKitError:
            return None
        assert isinstance(effect, Send)
        reply = answers[count % len(answers)]
    raise AssertionError("it asks for pages without end")


TARGETS: Final[Mapping[str, Callable[[bytes], None]]] = {
    "json": a_json_value,
    "answer": an_answer,
    "stream": a_stream,
    "input": an_input,
    "program": a_program,
    "models": a_stored_model,
    "config": a_config,
    "error": an_error,
    "listing": a_listing,
}
