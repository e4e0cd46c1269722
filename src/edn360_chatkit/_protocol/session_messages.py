"""The session messages protocol: post a message in a session, and poll for the answer."""

from __future__ import annotations

from functools import partial

from .._effects import Emitting, Operation
from ..errors import APIError
from ..events import WorkflowEvent, WorkflowResponse
from ..models.session import Message
from .api import Api, user_message
from .inbox import Inbox
from .inputs import Prepared
from .listing import SessionMessage, id_of
from .pages import PageRequest, read_back_to, read_new
from .polling import poll
from .requests import segment
from .run import Protocol, Run
from .sending import Baseline, Sender


class SessionMessages(Protocol):
    """Runs over ``/sessions/{id}/messages``."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def start(self, run: Run, prepared: Prepared) -> Operation[Message]:
        message = yield from _Post(self._api, run, prepared).send_once()
        run.sent(message)
        return message

    def look(self, run: Run) -> Operation[list[SessionMessage]]:
        message_id = None if run.message is None else run.message.id
        request, limit = _list_request(self._api, run), self._api.config.poll_limit
        return (yield from read_back_to(self._api, request, message_id, limit, strict=False))

    def follow(self, run: Run, inbox: Inbox) -> Emitting[WorkflowEvent, WorkflowResponse]:
        return (yield from poll(self, run, inbox))


def _path(run: Run) -> str:
    return f"/sessions/{segment('session', run.session.id)}/messages"


def _list_request(api: Api, run: Run) -> PageRequest:
    return partial(api.rest_request, "GET", _path(run))


class _Post(Sender):
    """The message of a run, posted in its session."""

    def __init__(self, api: Api, run: Run, prepared: Prepared) -> None:
        super().__init__(api, run, prepared, f"look with poll_response({run.session.id!r})")
        self._list = _list_request(api, run)

    def read_baseline(self) -> Operation[None]:
        if self.run.own_session:
            self.baseline = Baseline(own=True)
        else:
            self.baseline = Baseline.of((yield from read_new(self.api, self._list)))

    def send(self) -> Operation[Message]:
        request = self.api.rest_request("POST", _path(self.run))
        response = yield from self.api.fetch(user_message(request, self.prepared))
        # 2xx: the message is taken, whatever else the response says.
        try:
            message_id = id_of(self.api.json(response).get("id"))
        except APIError:
            message_id = None
        # In a session of its own it is the first message, also if it is listed by another id.
        previous_id = "" if self.run.own_session else None
        session_id = self.run.session.id
        return Message(id=message_id, session_id=session_id, previous_id=previous_id)

    def look(self) -> Operation[Message | None]:
        message = self.baseline.find((yield from read_new(self.api, self._list)), self.prepared)
        return Message(id=message.id, session_id=self.run.session.id) if message else None
