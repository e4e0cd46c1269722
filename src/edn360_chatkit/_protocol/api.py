"""The ChatKit API that a client speaks to: OpenAI's, or a self-hosted server.

The differences between the two are here: addresses, credentials, headers, and requests.
"""

from __future__ import annotations

import json
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Literal, TypeAlias
from urllib.parse import urlencode

from pydantic import SecretStr, ValidationError

from .._config import Config, fits_header
from .._effects import Operation, Request, Response, send
from .._version import __version__
from ..errors import ConfigurationError, InvalidInputError
from ..models.session import ChatSession
from .inputs import Prepared, segment, text_argument
from .logs import log_info
from .responses import json_object, status_error, unusable
from .retry import retrying
from .session_options import session_body

BETA = "chatkit_beta=v1"
"""The value of ``OpenAI-Beta`` that ChatKit asks for (source: OpenAI's published client)."""

Lookup: TypeAlias = Literal["threads.list", "items.list", "threads.get_by_id", "threads.delete"]
"""The requests about threads that start no run, by their names in the thread protocol."""
Query: TypeAlias = Mapping[str, str | int]
PageRequest: TypeAlias = Callable[[Query], Request]
"""Makes a request from the ``limit``, ``order`` and ``after`` of a page."""

_REST: Mapping[Lookup, tuple[str, str]] = {
    "threads.list": ("GET", "/threads"),
    "items.list": ("GET", "/threads/{}/items"),
    "threads.get_by_id": ("GET", "/threads/{}"),
    "threads.delete": ("DELETE", "/threads/{}"),
}


def make_api(config: Config) -> Api:
    """The API for a configuration."""
    return HostedApi(config) if config.server_url is None else OwnServer(config)


class Api(ABC):
    """Makes the requests of a ChatKit API and reads its responses.

    Each attempt makes a new request, since the caller's headers may change. The athlete's data is
    in a ``Prepared`` value, which tracebacks do not show.
    """

    own: ClassVar[bool]

    def __init__(self, config: Config) -> None:
        self.config = config
        self._thread_url = config.server_url or f"{config.base_url}/conversation"
        # Whether a session's list has the user's messages; None until a list has shown this.
        self.lists_users: bool | None = None

    @abstractmethod
    def create_session(self, user: str, options: Mapping[str, object]) -> Operation[ChatSession]:
        """Make a session. A retry may make a second session, which is free."""

    @abstractmethod
    def credential(self, session: ChatSession) -> SecretStr | None:
        """The bearer token of a thread protocol request in a session."""

    @abstractmethod
    def rest_request(self, method: str, path: str, query: Query | None = None) -> Request:
        """A request without a body to a REST endpoint; the segments of its path are quoted."""

    @abstractmethod
    def lookup(self, kind: Lookup, user: str | None, thread_id: str | None) -> PageRequest:
        """The function that makes a request about threads, for each page or attempt."""

    def _metadata(self, user: str | None) -> Mapping[str, object]:
        """The fields of each thread protocol request beside its parameters."""
        return {}

    def run_request(
        self, session: ChatSession, prepared: Prepared, thread_id: str | None, max_silence: float
    ) -> Request:
        """The thread protocol's request that starts a run."""
        request = self._thread_request(session, "text/event-stream", max_silence)
        kind = "threads.create" if thread_id is None else "threads.add_user_message"
        thread = {} if thread_id is None else {"thread_id": thread_id}
        message: dict[str, object] = {
            "content": [{"type": "input_text", "text": prepared.text}],
            "attachments": [],
            "quoted_text": "",
            "inference_options": {},
        }
        params = {"input": message, **thread}
        return _with_body(request, {"type": kind, "params": params, **self._metadata(session.user)})

    def _thread_request(
        self, session: ChatSession, accept: str, max_silence: float | None = None
    ) -> Request:
        # It may raise, so it comes before the headers, which may hold a secret.
        credential = self.credential(session)
        headers = {**self._headers(accept), "Cache-Control": "no-store"}
        if any(name.lower() == "authorization" for name in headers):
            credential = None
        return Request("POST", self._thread_url, headers, None, credential, max_silence)

    def _headers(self, accept: str) -> dict[str, str]:
        """The caller's headers, and ours."""
        headers = self.config.headers() if callable(self.config.headers) else self.config.headers
        has_user_agent = any(name.lower() == "user-agent" for name in headers)
        ours = {} if has_user_agent else {"User-Agent": f"edn360-chatkit/{__version__}"}
        return {**headers, "Accept": accept, **ours}

    def fetch(self, request: Request) -> Operation[Response]:
        """Send a request once. Raise the error of a status that is not 2xx."""
        return self.check((yield from send(request)))

    def retry(self, make_request: Callable[[], Request]) -> Operation[Response]:
        """Send a request as :meth:`fetch` does, with retries."""
        retries = self.config.max_retries
        return (yield from retrying(lambda: self.fetch(make_request()), max_retries=retries))

    def json(self, response: Response) -> dict[str, Any]:
        """The JSON object in a response's body."""
        return json_object(response, self.config.max_response_bytes)

    def check(self, response: Response) -> Response:
        """Return a 2xx response; raise the error of another status."""
        if not 200 <= response.status < 300:
            raise status_error(response, own=self.own)
        return response


class HostedApi(Api):
    """OpenAI's ChatKit API, or another one with sessions and REST endpoints."""

    own = False

    def create_session(self, user: str, options: Mapping[str, object]) -> Operation[ChatSession]:
        workflow_id: object = self.config.workflow_id
        response = yield from self.retry(
            lambda: _with_body(
                self.rest_request("POST", "/sessions"), session_body(workflow_id, user, options)
            )
        )
        session = self._read_session(response, user)
        workflow_id = options.get("workflow_id") or workflow_id
        log_info(session.id, "session created, workflow %s", workflow_id)
        return session

    def _read_session(self, response: Response, user: str) -> ChatSession:
        data = self.json(response)
        session_id, secret = data.get("id"), data.get("client_secret")
        try:
            segment("session", session_id)
        except InvalidInputError as error:
            del data, secret
            raise unusable(response, "a session without an id") from error
        try:
            return ChatSession.model_validate({"user": user, **data})
        except ValidationError:
            # Only the id is needed. Ignore other invalid fields.
            secret = secret if isinstance(secret, str) else None
            return ChatSession(id=str(session_id), user=user, client_secret=secret)

    def credential(self, session: ChatSession) -> SecretStr | None:
        if session.client_secret is None:
            raise ConfigurationError(
                "This session has no client secret, which ChatKit's thread protocol needs to "
                "send. Sessions lose it when they are stored: make a new one with "
                "create_session(...)."
            )
        if not fits_header(session.client_secret):
            raise InvalidInputError(
                "The session's client secret has a blank, a line break or another character that "
                "a header can't hold, so it was not sent. Make a new session with "
                "create_session(...)."
            )
        return SecretStr(session.client_secret)

    def rest_request(self, method: str, path: str, query: Query | None = None) -> Request:
        headers = {**self._headers("application/json"), "OpenAI-Beta": BETA}
        url = self.config.base_url + path + (f"?{urlencode(query)}" if query else "")
        return Request(method, url, headers, None, self.config.api_key)

    def lookup(self, kind: Lookup, user: str | None, thread_id: str | None) -> PageRequest:
        method, path = _REST[kind]
        if kind != "threads.list":
            return partial(self.rest_request, method, path.format(segment("thread", thread_id)))
        owner = {} if user is None else {"user": text_argument("user", user)}
        return lambda page: self.rest_request(method, path, {**owner, **page})


class OwnServer(Api):
    """A self-hosted ChatKit server: one endpoint, no sessions, no API key."""

    own = True

    def create_session(self, user: str, options: Mapping[str, object]) -> Operation[ChatSession]:
        if any(value is not None for value in options.values()):
            raise InvalidInputError(
                "A self-hosted server (server_url) has no sessions of the API: pass only user."
            )
        session = ChatSession(id=f"local_{uuid.uuid4().hex}", user=text_argument("user", user))
        log_info(session.id, "session created")
        yield from ()
        return session

    def credential(self, session: ChatSession) -> SecretStr | None:
        return self.config.server_token

    def rest_request(self, method: str, path: str, query: Query | None = None) -> Request:
        raise ConfigurationError(
            "A self-hosted ChatKit server (server_url) has no sessions and no REST endpoints; this "
            "call needs the ChatKit API (base_url, api_key)."
        )

    def lookup(self, kind: Lookup, user: str | None, thread_id: str | None) -> PageRequest:
        if kind != "threads.list":
            segment("thread", thread_id)
        thread = {} if kind == "threads.list" else {"thread_id": thread_id}
        metadata = self._metadata(None if user is None else text_argument("user", user))

        def make_request(page: Query) -> Request:
            request = self._thread_request(ChatSession(id="local"), "application/json")
            return _with_body(request, {"type": kind, "params": {**page, **thread}, **metadata})

        return make_request

    def _metadata(self, user: str | None) -> Mapping[str, object]:
        return {} if user is None else {"metadata": {"user": user}}


def user_message(request: Request, prepared: Prepared) -> Request:
    """A session messages request with the message as its body."""
    content = [{"type": "input_text", "text": prepared.text}]
    return _with_body(request, {"role": "user", "content": content})


def _with_body(request: Request, body: Mapping[str, object]) -> Request:
    headers = {**request.headers, "Content-Type": "application/json"}
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return replace(request, headers=headers, content=content)
