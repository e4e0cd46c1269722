"""A ChatKit server, a network and its clients as models, for the state machine.

The server stores messages, counts runs and answers lists. The network loses, delays and changes
responses. A call is a real operation. There is no I/O, and the state machine makes all decisions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypeVar
from urllib.parse import parse_qsl, urlsplit

from edn360_chatkit import (
    APIConnectionError,
    APITimeoutError,
    ChatKitError,
    ChatSession,
    RunReference,
    WorkflowEvent,
    WorkflowResponse,
)
from edn360_chatkit._effects import Effect, Emitting, Request, Response, Stream
from edn360_chatkit._protocol.workflow import Workflow
from edn360_chatkit.program.model import ROOT_KEY
from tests.support.script import answer, api_error

T = TypeVar("T")

SERVER_URL = "https://own.example/chatkit"
MIDNIGHT = 1_767_571_200.0
"""The server's clock when the client's stands at zero, in unix seconds."""


@dataclass(frozen=True)
class World:
    """A kind of server.

    Attributes:
        protocol: Its protocol.
        hosted: Whether it is the API, with sessions, or a self-hosted server.
        dated: Whether its messages have times.
        oldest_first: Whether its lists ignore ``order`` and begin with the oldest entry.
    """

    protocol: Literal["messages", "threads"]
    hosted: bool
    dated: bool = True
    oldest_first: bool = False


@dataclass(eq=False)
class Post:
    """A stored message or item."""

    id: str
    role: str
    text: str
    made: float


@dataclass(eq=False, repr=False)
class Place:
    """A session of the session messages protocol, or a thread."""

    id: str
    posts: list[Post] = field(default_factory=list[Post])


@dataclass(eq=False, repr=False)
class Run:
    """A run.

    Attributes:
        message: The user's message that started it.
        place: The session or thread of the message.
        sender: The call that sent the message.
        events: The events of its stream so far.
        over: Whether its agents have ended.
        failed: Whether its agents failed.
    """

    message: Post
    place: Place
    sender: object
    events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    over: bool = False
    failed: bool = False

    @property
    def program(self) -> str:
        """The answer of this run and no other."""
        return json.dumps({ROOT_KEY: {"title": self.message.id, "sessions": []}})


@dataclass(eq=False, repr=False)
class Wire(Stream):
    """A stream to a client.

    Attributes:
        run: Its run; ``None`` if the server failed before it stored the message.
        events: Its events.
        position: The number of events that the client has received.
    """

    run: Run | None
    events: list[dict[str, Any]]
    position: int = 0


@dataclass(frozen=True)
class ParsedRequest:
    """A request as the server understands it."""

    verb: Literal["session", "message", "list", "threads"]
    place: str | None = None
    text: str = ""
    page: Mapping[str, Any] = field(default_factory=dict[str, Any])
    streamed: bool = False


def parse_request(request: Request) -> ParsedRequest:
    """Read a request of either protocol."""
    url = urlsplit(request.url)
    body: dict[str, Any] = json.loads(request.content or b"{}")
    if url.path.endswith("/conversation") or request.url == SERVER_URL:
        params = body["params"]
        if body["type"] in ("threads.create", "threads.add_user_message"):
            text = params["input"]["content"][0]["text"]
            return ParsedRequest("message", params.get("thread_id"), text, streamed=True)
        if body["type"] == "threads.list":
            return ParsedRequest("threads")
        return ParsedRequest("list", params["thread_id"], page=params)
    page = dict(parse_qsl(url.query))
    steps = url.path.removeprefix("/v1/chatkit/").split("/")
    if steps == ["sessions"]:
        return ParsedRequest("session")
    if steps == ["threads"]:
        return ParsedRequest("threads")
    if request.method == "POST":
        return ParsedRequest("message", steps[1], body["content"][0]["text"])
    return ParsedRequest("list", steps[1], page=page)


class Server:
    """The server's places and runs."""

    def __init__(self, world: World, clock: Callable[[], float]) -> None:
        self.world = world
        self.places: dict[str, Place] = {}
        self.runs: list[Run] = []
        self._clock = clock
        self._made = 0

    def _id(self, kind: str) -> str:
        self._made += 1
        return f"{kind}_{self._made}"

    def _now(self) -> float:
        # Each object has its own time.
        return MIDNIGHT + self._clock() + self._made / 1000

    def knows(self, request: Request) -> bool:
        """Whether the server has the endpoint. OpenAI's published API has no session messages."""
        in_session = "/sessions/" in request.url
        return not in_session or self.world.protocol == "messages"

    def new_place(self, kind: str) -> Place:
        place = Place(self._id(kind))
        self.places[place.id] = place
        return place

    def take(self, request: Request, sender: object) -> Run:
        """Store a message and begin its run. This ends an earlier run of the place."""
        what = parse_request(request)
        place = self.new_place("thr") if what.place is None else self.places[what.place]
        for earlier in self.runs:
            earlier.over = earlier.over or earlier.place is place
        message = Post(self._id("msg"), "user", what.text, self._now())
        place.posts.append(message)
        run = Run(message, place, sender)
        done = {"type": "thread.item.done", "item": self._item(message)}
        if what.place is None:
            run.events.append(created(place))
        run.events.append(done)
        self.runs.append(run)
        return run

    def post(self, run: Run, text: str) -> None:
        """An agent of the run posts a message."""
        post = Post(self._id("msg"), "assistant", text, self._now())
        half = len(text) // 2
        part = "assistant_message.content_part.text_delta"
        empty = {"type": "assistant_message", "id": post.id, "content": []}
        run.events.append({"type": "thread.item.added", "item": empty})
        run.events += [
            {
                "type": "thread.item.updated",
                "item_id": post.id,
                "update": {"type": part, "content_index": 0, "delta": delta},
            }
            for delta in (text[:half], text[half:])
        ]
        run.events.append({"type": "thread.item.done", "item": self._item(post)})
        run.place.posts.append(post)

    def run_of(self, message_id: str | None) -> Run | None:
        return next((run for run in self.runs if run.message.id == message_id), None)

    def reply(self, request: Request, run: Run | None) -> Response | Wire:
        """The reply to a request; ``run`` is the run that the request has started."""
        if not self.knows(request):
            return api_error(404, f"Invalid URL ({request.method} {urlsplit(request.url).path})")
        what = parse_request(request)
        if run is not None:
            return Wire(run, run.events) if what.streamed else answer({"id": run.message.id})
        if what.verb == "session":
            # In the thread protocol, the messages are in threads and not in the session.
            place = self.new_place("cksess")
            return answer({"id": place.id, "client_secret": "ek_1", "user": "ana"})
        if what.verb == "threads":
            threads = [{"id": name} for name in self.places if name.startswith("thr")]
            return answer({"data": self._ordered(threads), "has_more": False})
        assert what.place is not None
        return self._page(self._ordered(self.places[what.place].posts), what.page)

    def _ordered(self, oldest_first: list[T]) -> list[T]:
        return oldest_first if self.world.oldest_first else oldest_first[::-1]

    def _page(self, listed: list[Post], page: Mapping[str, Any]) -> Response:
        after = page.get("after")
        names = [post.id for post in listed]
        begin = names.index(after) + 1 if after in names else 0
        posts = listed[begin : begin + int(page["limit"])]
        data = {
            "data": [self._item(post) for post in posts],
            "has_more": begin + len(posts) < len(listed),
            "last_id": posts[-1].id if posts else None,
        }
        return answer(data)

    def _item(self, post: Post) -> dict[str, Any]:
        kind = {"user": "input_text", "assistant": "output_text"}[post.role]
        return {
            "id": post.id,
            **({"role": post.role} if self.world.protocol == "messages" else {}),
            "type": f"{'chatkit.' if self.world.hosted else ''}{post.role}_message",
            "content": [{"type": kind, "text": post.text}],
            **({"created_at": post.made} if self.world.dated else {}),
        }


def created(place: Place) -> dict[str, Any]:
    return {"type": "thread.created", "thread": {"id": place.id}}


# --- the network -------------------------------------------------------------------------------

Back: TypeAlias = (
    Literal["answer", "refused", "lost", "timeout", "page", "half"]
    | Literal["other", "nothing", "failed", "unreadable", "replies only"]
    | int
)
"""The result of a request at the client: the server's reply; a refused, lost or slow connection; a
status; a proxy's page; half the reply; JSON of another kind, an empty object, or an error; a list
with unreadable texts; a list of the assistant's messages only."""
Arrival: TypeAlias = Literal["taken", "not taken", "early", "late", "at the end", "thread only"]
"""When the server stores a message whose reply is lost: at once; never; before the client's first
list; between its first list and its second; after the end of the call. Or the server creates only
the thread, and its stream breaks."""

BACK: tuple[Back, ...] = (
    *("answer", "refused", "lost", "timeout", "page", "half"),
    *("other", "nothing", "failed", "unreadable", "replies only"),
    *(401, 404, 408, 409, 429, 500, 503, 504),
)
ARRIVAL: tuple[Arrival, ...] = (
    *("taken", "not taken", "early", "late"),
    *("at the end", "thread only"),
)
SPOILED = ("answer", "half", "other", "nothing", "failed", "unreadable", "replies only")
"""The results that require a reply of the server."""
REFUSALS = (401, 404, 409, 429)
"""Statuses of a message that the server has not stored."""


def arrival_of(back: Back, arrival: Arrival, what: ParsedRequest) -> Arrival:
    """When a message arrives, given the result at the client."""
    if back in SPOILED:
        return "taken"
    if back == "refused" or back in REFUSALS:
        return "not taken"
    if arrival == "at the end" and back != "timeout":
        # A failure other than a timeout reaches the client within seconds.
        return "late"
    if arrival == "thread only" and not (what.streamed and what.place is None):
        return "not taken"
    return arrival


def is_users(item: Mapping[str, Any]) -> bool:
    return "user" in item.get("type", "")


FAILED = {"error": {"message": "overloaded"}}


def spoiled(back: Back, reply: Response | Wire) -> Response | Wire | ChatKitError:
    """The reply as the client receives it."""
    if back == "answer":
        return reply
    if isinstance(back, int):
        wait = {"retry_after": "7"} if back == 429 else {}
        return api_error(back, "No.", **wait)
    if back == "refused":
        return APIConnectionError("refused", may_have_arrived=False)
    if back == "lost":
        return APIConnectionError("lost")
    if back == "timeout":
        return APITimeoutError("late")
    if back in ("other", "nothing", "failed"):
        bodies = {"other": {"data": "down for maintenance"}, "nothing": {}, "failed": FAILED}
        return answer(bodies[back])
    if back == "page" or isinstance(reply, Wire):
        return Response(200, {"content-type": "text/html"}, b"<html>{</html>")
    if back == "half":
        return Response(200, reply.headers, reply.content[: len(reply.content) // 2])
    data = json.loads(reply.content or b"{}")
    if back == "unreadable":
        if not isinstance(data.get("data"), list):
            return reply
        mine = [{**item, "content": None} if is_users(item) else item for item in data["data"]]
        return answer({**data, "data": mine})
    others = [item for item in data.get("data", ()) if not is_users(item)]
    return answer({**data, "data": others}) if others else reply


# --- the clients -------------------------------------------------------------------------------


@dataclass(eq=False, repr=False)
class Call:
    """A call of a client, stopped at the effect that waits for the network.

    Attributes:
        text: The text that it sends, or ``None``.
        workflow: The workflow of its client.
        follows: The message whose answer it waits for, as soon as it has an id.
        runs: The runs that it has started.
        on_its_way: Its message that arrives late, and the number of lists read before that.
        sends: The number of times that it has sent the message.
        attempts: The number of polls without an answer.
        texts: The texts that it has received.
        listed_ids: The ids of the messages in all lists that it has received.
        deltas: The unfinished texts that a stream has brought.
        page_ids: The ids on the pages of the list that it is reading.
        answered: Whether it has received the program.
        last: The result of its last request.
        over: Whether its stream has ended.
        until: The time of its deadline.
        overtime: The number of requests after its deadline.
        created: The reference of its ``SessionCreatedEvent``.
    """

    operation: Emitting[WorkflowEvent, WorkflowResponse | RunReference]
    workflow: Workflow
    until: float
    text: str | None = None
    session: ChatSession | None = None
    follows: RunReference | None = None
    effect: Effect[WorkflowEvent] | None = None
    runs: list[Run] = field(default_factory=list[Run])
    on_its_way: tuple[Request, int] | None = None
    sends: int = 0
    attempts: int = 0
    texts: list[str] = field(default_factory=list[str])
    listed_ids: set[str] = field(default_factory=set[str])
    deltas: str = ""
    page_ids: list[str] = field(default_factory=list[str])
    answered: bool = False
    last: object = None
    over: bool = False
    result: WorkflowResponse | RunReference | None = None
    error: ChatKitError | None = None
    dropped: bool = False
    overtime: int = 0
    created: RunReference | None = None

    @property
    def running(self) -> bool:
        return self.effect is not None
