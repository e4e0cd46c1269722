"""The session messages protocol: post a message in a session, and poll for the answer."""

from __future__ import annotations

from functools import partial

from .._effects import Emitting, Operation
from ..errors import APIError
from ..events import SessionCreatedEvent, WorkflowEvent, WorkflowResponse
from ..models.run import RunReference
from .api import Api, PageRequest, user_message
from .inputs import Prepared, segment
from .listing import SessionMessage, id_of
from .pages import read_back_to, read_new
from .polling import poll
from .run import Protocol, Run
from .sending import Baseline, Sender


class SessionMessages(Protocol):
    """Runs over ``/sessions/{id}/messages``."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def start(self, run: Run, prepared: Prepared) -> Emitting[SessionCreatedEvent, None]:
        return _SessionSender(self._api, run, prepared).send_once()

    def read_messages(self, run: Run) -> Operation[list[SessionMessage]]:
        request, limit = _list_request(self._api, run), self._api.config.poll_limit
        message_id = run.inbox.reference.message_id
        messages = yield from read_back_to(self._api, request, message_id, limit, strict=False)
        if any(message.role == "user" for message in messages):
            self._api.lists_users = True
        elif message_id is not None and self._api.lists_users is None:
            self._api.lists_users = False
        return messages

    def follow(self, run: Run) -> Emitting[WorkflowEvent, WorkflowResponse]:
        return (yield from poll(self, run))


def _path(run: Run) -> str:
    return f"/sessions/{segment('session', run.session.id)}/messages"


def _list_request(api: Api, run: Run) -> PageRequest:
    return partial(api.rest_request, "GET", _path(run))


class _SessionSender(Sender):
    """Sends the message of a run as a message of its session."""

    # A server that lists the messages of a session lists every message that it has.
    empty_is_proof = True

    def read_baseline(self) -> Operation[Baseline]:
        self.own = self.run.own_session
        return Baseline(() if self.own else (yield from self._messages()))

    def reference(self, message_id: str | None = None) -> RunReference:
        session, before = self.run.session, self.baseline
        previous_id = None if before is None else before.previous_id
        if not self.own and message_id and before and not before.hides_users:
            # Where other runs may write, the id finds our message, and not its position.
            previous_id = None
        return RunReference(
            session_id=session.id,
            message_id=message_id,
            user=session.user,
            previous_id=previous_id,
        )

    def send(self) -> Operation[RunReference]:
        request = user_message(self.api.rest_request("POST", _path(self.run)), self.prepared)
        self.mark_in_flight()
        response = yield from self.api.fetch(request)
        # A 2xx means that the message is stored. The rest of the response does not matter.
        try:
            message_id = id_of(self.api.json(response).get("id"))
        except APIError:
            message_id = None
        return self.reference(message_id)

    def look(self) -> Operation[RunReference | None]:
        message = self.find((yield from self._messages()))
        if message is None and self.api.lists_users is False:
            # The list hides user messages, so it is no proof.
            self._may_send = False
        return self.reference(message.id) if message else None

    def _messages(self) -> Operation[list[SessionMessage]]:
        return (yield from read_new(self.api, _list_request(self.api, self.run)))
