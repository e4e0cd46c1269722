"""The ChatKit API that a client speaks to: OpenAI's, or a self-hosted server.

All that differs between the two is here: addresses, credentials, headers, and which requests exist.
"""

from __future__ import annotations

import json
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal, TypeAlias
from urllib.parse import urlencode

from pydantic import SecretBytes, SecretStr, ValidationError

from .._config import Config
from .._effects import Operation, Request, Response, send
from .._version import __version__
from ..errors import APIStatusError, ConfigurationError, InvalidInputError
from ..models.session import ChatSession
from .requests import header_secret, segment, text_argument
from .inputs import Prepared
from .logs import log_run
from .responses import json_object, status_error, unusable
from .retry import retrying
from .sessions import session_body

BETA = "chatkit_beta=v1"
"""The value of ``OpenAI-Beta`` that ChatKit asks for (source: OpenAI's published client)."""

Lookup: TypeAlias = Literal["threads.list", "items.list", "threads.get_by_id", "threads.delete"]
"""The requests about threads that start no run, by their names in the thread protocol."""

_REST: Mapping[Lookup, tuple[str, str]] = {
    "threads.list": ("GET", "/threads"),
    "items.list": ("GET", "/threads/{}/items"),
    "threads.get_by_id": ("GET", "/threads/{}"),
    "threads.delete": ("DELETE", "/threads/{}"),
}


def make_api(config: Config) -> Api:
    """The API that a configuration names."""
    return HostedApi(config) if config.server_url is None else OwnServer(config)


class Api(ABC):
    """Makes the requests of a ChatKit API and reads its responses.

    A request is made anew for every attempt, since the caller's headers may change. Requests that
    carry the athlete's data take it as a ``Prepared`` value, which no traceback shows.
    """

    own: ClassVar[bool]

    def __init__(self, config: Config) -> None:
        self.config = config

    @abstractmethod
    def create_session(self, user: str, options: Mapping[str, object]) -> Operation[ChatSession]:
        """Make a session. A retry makes a second session at worst, which costs nothing."""

    @abstractmethod
    def credential(self, session: ChatSession) -> SecretStr | None:
        """The bearer token of a thread protocol request in a session.

        Raises:
            ConfigurationError: The session has no client secret, and one is needed.
        """

    @abstractmethod
    def rest_request(
        self, method: str, path: str, query: Mapping[str, str | int] | None = None
    ) -> Request:
        """A request to one of the API's REST endpoints, without a body.

        Args:
            method: The HTTP method.
            path: The path below the base URL, its segments quoted.
            query: The parameters of the query.
        """

    @abstractmethod
    def lookup_request(
        self,
        kind: Lookup,
        user: str | None,
        thread_id: str | None = None,
        page: Mapping[str, str | int] | None = None,
    ) -> Request:
        """A request about threads.

        Args:
            kind: Its name in the thread protocol.
            user: The user whose threads they are. A self-hosted server keeps users apart.
            thread_id: The thread, except for ``"threads.list"``.
            page: ``limit``, ``order`` and ``after`` of a list.
        """

    @abstractmethod
    def _conversation(self, session: ChatSession) -> tuple[str, Mapping[str, object]]:
        """The thread protocol's address, and what goes into each request beside its parameters."""

    def run_request(
        self, session: ChatSession, prepared: Prepared, thread_id: str | None, max_silence: float
    ) -> Request:
        """The thread protocol's request that starts a run.

        Args:
            session: The session of the run.
            prepared: The message.
            thread_id: The thread to write in; ``None`` for a new one.
            max_silence: The longest silence of the stream that answers, in seconds.
        """
        if thread_id is None:
            kind, thread = "threads.create", dict[str, str]()
        else:
            kind, thread = "threads.add_user_message", {"thread_id": thread_id}
        request = self._thread_request(session, "text/event-stream", max_silence)
        _, extra = self._conversation(session)
        return _with_body(
            request,
            {"type": kind, "params": {"input": _user_input(prepared), **thread}, **extra},
        )

    def _thread_request(
        self, session: ChatSession, accept: str, max_silence: float | None = None
    ) -> Request:
        url, _ = self._conversation(session)
        headers = {**self._headers(accept), "Cache-Control": "no-store"}
        given = any(name.lower() == "authorization" for name in headers)
        credential = None if given else self.credential(session)
        return Request("POST", url, headers, None, credential, max_silence)

    def _headers(self, accept: str) -> dict[str, str]:
        """The caller's headers, and ours."""
        headers = self.config.headers() if callable(self.config.headers) else self.config.headers
        named = any(name.lower() == "user-agent" for name in headers)
        ours = {} if named else {"User-Agent": f"edn360-chatkit/{__version__}"}
        return {**headers, "Accept": accept, **ours}

    def fetch(self, request: Request) -> Operation[Response]:
        """Send one request.

        Returns:
            The response, if its status is 2xx.

        Raises:
            APIStatusError: The error of the status, with the server's words and what to do.
            APIConnectionError: No response came.
        """
        return self.check((yield from send(request)))

    def fetch_json(self, request: Request) -> Operation[dict[str, Any]]:
        """Send one request that is answered with a JSON object."""
        return self.json(self.check((yield from send(request))))

    def json(self, response: Response) -> dict[str, Any]:
        """The JSON object in a response's body."""
        return json_object(response, self.config.max_response_bytes)

    def check(self, response: Response) -> Response:
        """The response, if its status is 2xx; else its error is raised."""
        if not 200 <= response.status < 300:
            raise self.status_error(response)
        return response

    def status_error(self, response: Response) -> APIStatusError:
        """The error for a status that is not 2xx."""
        return status_error(response, own=self.own)


class HostedApi(Api):
    """A ChatKit API with sessions and REST endpoints, such as OpenAI's."""

    own = False

    def create_session(self, user: str, options: Mapping[str, object]) -> Operation[ChatSession]:
        body = session_body(self.config.workflow_id, user, options)
        log_run(None, "INFO", "workflow %s", body["workflow"]["id"])
        content = SecretBytes(_encoded(body))
        del body

        def attempt() -> Operation[Response]:
            request = self.rest_request("POST", "/sessions")
            return self.fetch(_with_content(request, content.get_secret_value()))

        response = yield from retrying(attempt, max_retries=self.config.max_retries)
        session = self._read_session(response, user)
        log_run(session.id, "INFO", "session created")
        return session

    def _read_session(self, response: Response, user: str) -> ChatSession:
        data = self.json(response)
        session_id = data.get("id")
        try:
            segment("session", session_id)
        except InvalidInputError as error:
            raise unusable(response, "a session without an id") from error
        try:
            return ChatSession.model_validate({"user": user, **data})
        except ValidationError:
            # Only the id is promised. Another odd field must not cost the session.
            secret = data.get("client_secret")
            secret = secret if isinstance(secret, str) else None
            return ChatSession(id=str(session_id), user=user, client_secret=secret)

    def credential(self, session: ChatSession) -> SecretStr | None:
        if session.client_secret is None:
            raise ConfigurationError(
                "This session has no client secret, which ChatKit's thread protocol needs to "
                "send. Sessions lose it when they are stored: make a new one with "
                "create_session(...)."
            )
        return SecretStr(header_secret(session.client_secret))

    def rest_request(
        self, method: str, path: str, query: Mapping[str, str | int] | None = None
    ) -> Request:
        headers = {**self._headers("application/json"), "OpenAI-Beta": BETA}
        url = self.config.base_url + path + (f"?{urlencode(query)}" if query else "")
        return Request(method, url, headers, None, self.config.api_key)

    def lookup_request(
        self,
        kind: Lookup,
        user: str | None,
        thread_id: str | None = None,
        page: Mapping[str, str | int] | None = None,
    ) -> Request:
        method, path = _REST[kind]
        query = dict(page or {})
        if kind == "threads.list":
            query = {**({} if user is None else {"user": text_argument("user", user)}), **query}
        else:
            path = path.format(segment("thread", thread_id))
        return self.rest_request(method, path, query)

    def _conversation(self, session: ChatSession) -> tuple[str, Mapping[str, object]]:
        return f"{self.config.base_url}/conversation", {}

    def status_error(self, response: Response) -> APIStatusError:
        error = super().status_error(response)
        request = response.request
        if response.status == 401 and request and request.credential != self.config.api_key:
            error.message += (
                " Or the session's client secret is not valid any more: make a new session with "
                "create_session(...)."
            )
        return error


class OwnServer(Api):
    """A self-hosted ChatKit server: one endpoint, no sessions, no API key."""

    own = True

    def create_session(self, user: str, options: Mapping[str, object]) -> Operation[ChatSession]:
        if any(value is not None for value in options.values()):
            raise InvalidInputError(
                "A self-hosted server (server_url) has no sessions of the API: only user is taken."
            )
        user = text_argument("user", user)
        session = ChatSession(id=f"local_{uuid.uuid4().hex}", user=user)
        log_run(session.id, "INFO", "session created")
        yield from ()
        return session

    def credential(self, session: ChatSession) -> SecretStr | None:
        return self.config.server_token

    def rest_request(
        self, method: str, path: str, query: Mapping[str, str | int] | None = None
    ) -> Request:
        raise ConfigurationError(
            "A self-hosted ChatKit server (server_url) has no sessions and no REST endpoints; this "
            "call needs the ChatKit API (base_url, api_key)."
        )

    def lookup_request(
        self,
        kind: Lookup,
        user: str | None,
        thread_id: str | None = None,
        page: Mapping[str, str | int] | None = None,
    ) -> Request:
        params: dict[str, object] = dict(page or {})
        if kind != "threads.list":
            segment("thread", thread_id)
            params["thread_id"] = thread_id
        owner = None if user is None else text_argument("user", user)
        session = ChatSession(id="local", user=owner)
        request = self._thread_request(session, "application/json")
        _, extra = self._conversation(session)
        return _with_body(request, {"type": kind, "params": params, **extra})

    def _conversation(self, session: ChatSession) -> tuple[str, Mapping[str, object]]:
        extra = {} if session.user is None else {"metadata": {"user": session.user}}
        return str(self.config.server_url), extra


def user_message(request: Request, prepared: Prepared) -> Request:
    """A session messages request with the message as its body."""
    content = [{"type": "input_text", "text": prepared.text}]
    return _with_body(request, {"role": "user", "content": content})


def _user_input(prepared: Prepared) -> dict[str, object]:
    """A message as the thread protocol's ``input``."""
    return {
        "content": [{"type": "input_text", "text": prepared.text}],
        "attachments": [],
        "quoted_text": "",
        "inference_options": {},
    }


def _with_body(request: Request, body: Mapping[str, object]) -> Request:
    return _with_content(request, _encoded(body))


def _with_content(request: Request, content: bytes) -> Request:
    headers = {**request.headers, "Content-Type": "application/json"}
    return replace(request, headers=headers, content=content)


def _encoded(body: Mapping[str, object]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
