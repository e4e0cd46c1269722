"""The calls of the state machine: clients, a network and a server, without rules and guarantees."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize

from edn360_chatkit import (
    APIConnectionError,
    APITimeoutError,
    ChatKitError,
    ChatSession,
    RunReference,
    WorkflowEvent,
)
from edn360_chatkit._config import Config
from edn360_chatkit._effects import Effect, Emit, Now, Open, Read, Request, Response, Send, Sleep
from edn360_chatkit._protocol.retry import LONGEST_RETRY_AFTER
from edn360_chatkit._protocol.run import Waiting
from edn360_chatkit._protocol.workflow import Workflow
from edn360_chatkit._transport.failures import deadline_error
from edn360_chatkit.events import MessageSentEvent, SessionCreatedEvent, WaitingEvent
from edn360_chatkit.program.model import ROOT_KEY
from tests.support.model import (
    SERVER_URL,
    Arrival,
    Back,
    Call,
    Run,
    Server,
    Wire,
    World,
    arrival_of,
    created,
    parse_request,
    spoiled,
)
from tests.support.script import config

ATTEMPTS = 3
INTERVAL = 2.0


class Simulation(RuleBasedStateMachine):
    """The calls of clients, and the effects of each event on them."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = 0.0
        self.calls: list[Call] = []

    @initialize(
        world=st.sampled_from(
            [
                World("messages", hosted=True),
                World("messages", hosted=True, dated=False),
                World("messages", hosted=True, oldest_first=True),
                World("threads", hosted=True),
                World("threads", hosted=False, dated=False),
                World("threads", hosted=False, oldest_first=True),
            ]
        ),
        auto=st.booleans(),
    )
    def begin(self, world: World, auto: bool) -> None:
        self.world = world
        self.server = Server(world, lambda: self.clock)
        if world.hosted:
            protocol = "auto" if auto else world.protocol
            self.config: Config = config(protocol=protocol, poll_limit=2)
        else:
            self.config = config(api_key=None, server_url=SERVER_URL)
        self.client = Workflow(self.config)

    def _agent(self, run: Run, what: str) -> None:
        texts = {
            "program": run.program,
            "step": '{"profile": {}}',
            "prose": "Thinking…",
            "cut": run.program[:-9],
            "error": '{"error": "no tokens"}',
        }
        if what in texts:
            self.server.post(run, texts[what])
            run.failed = run.failed or what == "error"
        elif what == "fails":
            run.events.append({"type": "error", "message": "no capacity"})
            run.over = run.failed = True
        else:
            run.over = True

    def _begin(self, call: Call) -> None:
        self.calls.append(call)
        self._go_on(call, None)

    def _follow(self, earlier: Call, stored: bool, deadline: float = 1e9) -> Call:
        session, message, workflow = earlier.session, earlier.follows, earlier.workflow
        assert session is not None
        assert message is not None
        if stored:
            session = ChatSession.model_validate_json(session.model_dump_json())
            message = RunReference.model_validate_json(str(message))
            workflow = Workflow(self.config)
        waiting = Waiting(INTERVAL, ATTEMPTS, "program", deadline)
        operation = workflow.poll_response(session, message, waiting, watched=True)
        call = Call(operation, workflow, self.clock + deadline, None, session, message)
        self._begin(call)
        return call

    def _carry(self, call: Call, back: Back, arrival: Arrival = "taken") -> None:
        effect = call.effect
        if self.clock >= call.until or (back == "timeout" and self.clock + 30.0 > call.until):
            back = "timeout"
            self.clock = max(self.clock, call.until - 30.0)
        if isinstance(effect, Read):
            assert isinstance(effect.stream, Wire)
            self._read(call, effect.stream, back)
            return
        assert isinstance(effect, (Send, Open))
        assert not call.answered, "a request after the answer"
        request, what = effect.request, parse_request(effect.request)
        if back == "replies only" and self.runs_in(what.place) > 1:
            # A list without users' messages is ambiguous if the place has several runs.
            back = "answer"
        looks = what.verb in ("list", "threads")
        if looks and call.on_its_way is not None and call.on_its_way[1] == 0:
            self._deliver_late(call)
        if what.verb == "message":
            reply = self._arrive(call, request, arrival_of(back, arrival, what))
        else:
            reply = self.server.reply(request, None)
        cut_short = isinstance(reply, Wire) and reply.run is None
        got = reply if cut_short else spoiled(back, reply)
        self.clock += 30.0 if back == "timeout" else 0.1
        if looks and call.on_its_way is not None and back == "answer":
            call.on_its_way = call.on_its_way[0], call.on_its_way[1] - 1
        if isinstance(got, Response) and what.verb == "list":
            self._note_list(call, got, "after" in what.page)
        self._give(call, got, back)

    def is_ambiguous(self, run: Run) -> bool:
        """Whether a list without times can be read in both orders.

        In ``[u2, a1, u1]``, ``a1`` may answer ``u1`` or ``u2``. The client delivers ``a1`` only
        when ``u2`` has an answer, too.
        """
        newest = run.place.posts[-1]
        return not self.world.dated and newest.role == "user" and newest is not run.message

    def runs_in(self, place: str | None) -> int:
        return sum(run.place.id == place for run in self.server.runs)

    def _arrive(self, call: Call, request: Request, arrival: Arrival) -> Response | Wire:
        """The reply of the server to a message, which arrives or is lost."""
        call.sends += 1
        assert call.follows is None, "a confirmed message is sent again"
        if not self.server.knows(request):
            return self.server.reply(request, None)
        if arrival == "taken":
            return self.server.reply(request, self._take(call, request))
        if arrival == "thread only":
            return Wire(None, [created(self.server.new_place("thr"))])
        if arrival in ("early", "late", "at the end"):
            looks = {"early": 0, "late": 1, "at the end": 99}
            call.on_its_way = request, looks[arrival]
        return Response(200)

    def _take(self, call: Call, request: Request) -> Run:
        run = self.server.take(request, call)
        call.runs.append(run)
        return run

    def _deliver_late(self, call: Call) -> None:
        if call.on_its_way is not None:
            self._take(call, call.on_its_way[0])
            call.on_its_way = None

    def _read(self, call: Call, wire: Wire, back: Back) -> None:
        if back == "timeout":
            self.clock += 30.0
            self._give(call, APITimeoutError("late"), back)
        elif back != "answer":
            self._give(call, APIConnectionError("lost"), back)
        elif wire.position < len(wire.events):
            event = wire.events[wire.position]
            wire.position += 1
            self._note_event(call, event)
            self._give(call, (json.dumps(event),), back)
        elif wire.run is None:
            self._give(call, APIConnectionError("lost"), "lost")
        elif wire.run.over:
            call.over = True
            self._give(call, None, "the end")

    def _give(self, call: Call, got: object, last: object) -> None:
        call.last = last
        if isinstance(got, APITimeoutError):
            got.deadline_passed = self.clock >= call.until
        self._go_on(call, got)

    def _go_on(self, call: Call, got: object) -> None:
        """Run the client until it needs the network."""
        call.effect = None
        try:
            while call.effect is None:
                if isinstance(got, ChatKitError):
                    effect = call.operation.throw(got)
                else:
                    effect = call.operation.send(got)
                if isinstance(effect, (Send, Open, Read)) and self.clock < call.until:
                    call.effect = effect
                else:
                    got = self._at_once(call, effect)
        except StopIteration as stop:
            call.result = stop.value
            if isinstance(call.result, RunReference):
                call.follows = call.result
        except ChatKitError as error:
            call.error = error
        if not call.running:
            note(f"call {self.calls.index(call)} ended: {call.result!r} {call.error!r}")
            self._check(call)
            self._deliver_late(call)

    def _at_once(self, call: Call, effect: Effect[WorkflowEvent]) -> float | APITimeoutError | None:
        """The driver's answer to an effect that needs no network."""
        if isinstance(effect, Now):
            return self.clock
        if isinstance(effect, (Send, Open, Read)):
            call.overtime += 1
            assert call.overtime <= 2, "requests after the deadline"
            return deadline_error(may_have_arrived=False)
        if isinstance(effect, Sleep):
            assert 0 <= effect.seconds <= LONGEST_RETRY_AFTER
            if effect.seconds > call.until - self.clock:
                return deadline_error(may_have_arrived=False)
            self.clock += effect.seconds
        elif isinstance(effect, Emit):
            event = effect.event
            if isinstance(event, SessionCreatedEvent):
                call.session, call.created = event.session, event.run
            elif isinstance(event, MessageSentEvent):
                call.follows = event.run
            elif isinstance(event, WaitingEvent):
                call.attempts += 1
                assert event.attempt == call.attempts <= ATTEMPTS
        return None

    def _note_list(self, call: Call, got: Response, further: bool) -> None:
        """Record the texts of a run that the call has read from a complete list."""
        run = self.server.run_of(call.follows.message_id if call.follows else None)
        try:
            page = json.loads(got.content)
        except ValueError:
            return
        if not isinstance(page.get("data"), list):
            return
        ids = [item["id"] for item in page["data"]]
        call.listed_ids.update(ids)
        if run is None or self.is_ambiguous(run):
            return
        call.page_ids = (call.page_ids if further else []) + ids
        reached = run.message.id in ids and not self.world.oldest_first
        if reached or not page["has_more"]:
            texts = {post.id: post.text for post in run.place.posts if post.role == "assistant"}
            after = run.place.posts.index(run.message)
            upto = run.place.posts[after + 1 :]
            for post in upto:
                if post.role == "user":
                    break
                if post.id in call.page_ids:
                    call.texts.append(texts[post.id])
            call.answered = run.program in call.texts

    def _note_event(self, call: Call, event: dict[str, Any]) -> None:
        item = event.get("item", {})
        call.deltas += event.get("update", {}).get("delta", "")
        if event["type"] == "thread.item.done" and item["type"].endswith("assistant_message"):
            text = item["content"][0]["text"]
            call.texts.append(text)
            # The client still reads the stream to its end, which is the end of the run.
            call.answered = call.answered or (ROOT_KEY in text and text.endswith("}}"))

    def _check(self, call: Call) -> None:
        """Check the guarantees at the end of a call."""
        raise NotImplementedError

    def _finish(self, call: Call) -> None:
        for _ in range(40):
            if call.running:
                self._carry(call, "answer")
