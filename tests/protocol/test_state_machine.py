"""Server, network and clients as a state machine: the guarantees hold in any order of faults.

Hypothesis is the network: it decides whether a request arrives, and which part of the response
reaches the client. It is also the agents, the clock, and clients that disappear. The invariant and
the ``_check`` methods state the guarantees. The tests at the end show two known gaps.

``make test`` tries 50 sequences, ``make soak`` tries 500, and ``make fuzz`` tries 1,000 new
sequences.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeVar

import pytest
from hypothesis import event, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edn360_chatkit import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    ChatKitError,
    ChatSession,
    InvalidInputError,
    InvalidResponseError,
    RunReference,
    WorkflowError,
    WorkflowEvent,
    WorkflowFailedError,
    WorkflowResponse,
    WorkflowTimeoutError,
)
from edn360_chatkit._config import Config
from edn360_chatkit._effects import Effect, Emit, Now, Open, Read, Request, Response, Send, Sleep
from edn360_chatkit._protocol.inputs import Prepared
from edn360_chatkit._protocol.polling import LAST_POLL
from edn360_chatkit._protocol.retry import LONGEST_RETRY_AFTER
from edn360_chatkit._protocol.run import Waiting
from edn360_chatkit._protocol.sending import LOOKS
from edn360_chatkit._protocol.workflow import Workflow
from edn360_chatkit._transport.failures import deadline_error
from edn360_chatkit.events import MessageSentEvent, SessionCreatedEvent, WaitingEvent
from edn360_chatkit.program.model import ROOT_KEY
from tests.support.model import (
    ARRIVAL,
    BACK,
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
from tests.support.script import answer, config

ATTEMPTS = 3
INTERVAL = 2.0
DEADLINES = (1e9, 40.0, 5.0)

TEXTS = ("athlete 1", "athlete 2")
WHICH = st.integers(0, 5)

T = TypeVar("T")


def pick(choices: Sequence[T], which: int) -> T:
    return choices[which % len(choices)]


class Conversations(RuleBasedStateMachine):
    """Each rule is an event that can happen at any time."""

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

    # --- events -------------------------------------------------------------------------------

    @precondition(lambda self: self.has_room())
    @rule(text=st.sampled_from(TEXTS), deadline=st.sampled_from(DEADLINES), watched=st.booleans())
    def run_workflow(self, text: str, deadline: float, watched: bool) -> None:
        prepared, waiting = Prepared(text), Waiting(INTERVAL, ATTEMPTS, "program", deadline)
        operation = self.client.run(prepared, "ana", waiting, watched=watched)
        self._begin(Call(operation, self.client, self.clock + deadline, text))

    @precondition(lambda self: self.has_room() and any(call.session for call in self.calls))
    @rule(which=WHICH, text=st.sampled_from(TEXTS), deadline=st.sampled_from(DEADLINES))
    def send_message(self, which: int, text: str, deadline: float) -> None:
        earlier = pick([call for call in self.calls if call.session], which)
        session, workflow = earlier.session, earlier.workflow
        assert session is not None
        prepared, waiting = Prepared(text), Waiting(INTERVAL, ATTEMPTS, "program", deadline)
        operation = workflow.send_message(session, prepared, waiting)
        self._begin(Call(operation, workflow, self.clock + deadline, text, session))

    @precondition(lambda self: self.has_room() and any(call.follows for call in self.calls))
    @rule(which=WHICH, stored=st.booleans(), deadline=st.sampled_from(DEADLINES))
    def poll_response(self, which: int, stored: bool, deadline: float) -> None:
        """Resume a run, in its client or in another process."""
        self._follow(pick([call for call in self.calls if call.follows], which), stored, deadline)

    @precondition(lambda self: any(call.running for call in self.calls))
    @rule(which=WHICH)
    def network_works(self, which: int) -> None:
        self.network(which, "answer", "taken")

    @precondition(lambda self: any(call.running for call in self.calls))
    @rule(which=WHICH, back=st.sampled_from(BACK), arrival=st.sampled_from(ARRIVAL))
    def network(self, which: int, back: Back, arrival: Arrival) -> None:
        """The network carries a request, and a response or a failure."""
        self._carry(pick([call for call in self.calls if call.running], which), back, arrival)

    @precondition(lambda self: any(not run.over for run in self.server.runs))
    @rule(which=WHICH)
    def agent_is_done(self, which: int) -> None:
        self.agent(which, "program")

    @precondition(lambda self: any(not run.over for run in self.server.runs))
    @rule(
        which=WHICH,
        what=st.sampled_from(["program", "step", "prose", "cut", "error", "fails", "ends"]),
    )
    def agent(self, which: int, what: str) -> None:
        self._agent(pick([run for run in self.server.runs if not run.over], which), what)

    @precondition(lambda self: bool(self.calls))
    @rule(seconds=st.sampled_from([1.0, 40.0, 4000.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock += seconds

    @precondition(lambda self: any(call.running for call in self.calls))
    @rule(which=WHICH)
    def client_goes_away(self, which: int) -> None:
        call = pick([call for call in self.calls if call.running], which)
        call.operation.close()
        call.effect, call.dropped = None, True
        self._deliver_late(call)

    def has_room(self) -> bool:
        """Whether a call may begin. Few calls at a time make progress."""
        return len(self.calls) < 6 and sum(call.running for call in self.calls) < 2

    # --- their effects ------------------------------------------------------------------------

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

    # --- guarantees ---------------------------------------------------------------------------

    @invariant()
    def at_most_one_run_per_call(self) -> None:
        for call in self.calls:
            assert len(call.runs) <= 1, "the run was started twice"
            assert call.sends <= self.config.max_retries + 1

    def _check(self, call: Call) -> None:
        """Check the guarantees at the end of a call."""
        if isinstance(call.result, WorkflowResponse):
            self._check_response(call, call.result)
        elif call.error is not None:
            assert not call.answered, "an answer that arrived was not delivered"
            self._check_error(call, call.error)

    def _check_response(self, call: Call, response: WorkflowResponse) -> None:
        run = self.server.run_of(response.program.title)
        assert run is not None
        message = call.follows
        assert message is not None
        if message.message_id is not None:
            assert run.message.id == message.message_id, "another run's program"
        if call.text is not None and message.message_id is not None:
            assert run.message.text == call.text
        arrived = run.program in call.texts or run.program in call.deltas
        # The client may read an ambiguous list correctly.
        arrived = arrived or response.message_id in call.listed_ids
        assert arrived or message.message_id is None

    def _check_error(self, call: Call, error: ChatKitError) -> None:
        if call.session is not None:
            session_id = None if error.session is None else error.session.id
            assert session_id == call.session.id, "the error lacks the session"
        if call.follows is None:
            if call.runs or call.on_its_way:
                doubt = isinstance(error, APIError) and error.may_have_been_taken
                assert doubt or isinstance(error, WorkflowFailedError), "the error hides the doubt"
            return
        has_run = call.follows.message_id is None or error.run == call.follows
        assert has_run, "the error lacks the run"
        run = self.server.run_of(call.follows.message_id)
        if isinstance(error, WorkflowFailedError):
            assert run is None or run.failed
        elif isinstance(error, WorkflowError):
            # The server's retry-after may reach beyond the deadline.
            pause = 7.0 if call.last == 429 else 0.0
            late = self.clock + max(LAST_POLL, pause) >= call.until
            ended = call.over or call.attempts == ATTEMPTS
            assert ended or late, "the call gave up too early"
            assert isinstance(error, (WorkflowTimeoutError, InvalidResponseError))
            assert error.text or not call.texts, "the error lacks the text"
        elif isinstance(error, InvalidInputError):
            # The client took a proxy's page for a response of the other protocol.
            assert (call.follows.message_id, call.follows.thread_id) == (None, None)
        else:
            assert isinstance(error, APIStatusError)
            assert error.status_code in (401, 404)

    def teardown(self) -> None:
        """After any events, each run with a known message can be resumed, and delivers."""
        for call in [c for c in self.calls if c.running]:
            call.operation.close()
            call.effect = None
        for call in list(self.calls):
            run = self.server.run_of(call.follows.message_id if call.follows else None)
            if run is None or run.failed or self.is_ambiguous(run):
                continue
            if not any(post.text == run.program for post in run.place.posts):
                if run.over:
                    continue
                self._agent(run, "program")
            again = self._follow(call, stored=True)
            self._finish(again)
            assert isinstance(again.result, WorkflowResponse), again.error
        for call in list(self.calls):
            if call.follows is None and call.created is not None:
                self._check_created(call, call.created)

    def _check_created(self, call: Call, created: RunReference) -> None:
        """What a client that was killed has stored finds its run, or no run."""
        for run in call.runs:
            self._agent(run, "program")
        workflow = Workflow(self.config)
        waiting = Waiting(INTERVAL, ATTEMPTS, "program")
        operation = workflow.poll_response(created.session, created, waiting, watched=True)
        again = Call(operation, workflow, 1e12, None, created.session, follows=created)
        self._begin(again)
        self._finish(again)
        if isinstance(again.result, WorkflowResponse):
            found = self.server.run_of(again.result.program.title)
            assert found is not None
            if self.world.protocol == "threads":
                assert found.message.text == call.text, "another run's program"
            assert not call.runs or found is call.runs[0] or found.message.text == call.text
        else:
            event("what a killed client stored finds nothing")

    def _finish(self, call: Call) -> None:
        for _ in range(40):
            if call.running:
                self._carry(call, "answer")


class LongConversations(Conversations):
    """More sequences, for ``make soak``."""


Conversations.TestCase.settings = settings(stateful_step_count=50)
LongConversations.TestCase.settings = settings(
    stateful_step_count=50, max_examples=10 * settings().max_examples
)
TestConversations = Conversations.TestCase
TestLongConversations = pytest.mark.slow(LongConversations.TestCase)


# --- known gaps -----------------------------------------------------------------------------------


def test_message_stored_very_late_starts_second_run() -> None:
    # Only an idempotency key would close this gap, and the API has none (docs/reliability.md).
    machine = Conversations()
    machine.begin(World("messages", hosted=True), auto=False)
    machine.run_workflow("athlete 1", 1e9, watched=True)
    machine.network_works(0)
    (call,) = machine.calls
    assert isinstance(call.effect, Send)
    first = call.effect.request
    machine.network(0, "lost", "not taken")
    for _ in range(LOOKS + 1):
        machine.network_works(0)
    assert (call.sends, len(call.runs)) == (2, 1)
    machine.server.take(first, call)
    assert len(machine.server.runs) == 2


def test_list_that_hides_message_starts_second_run() -> None:
    machine = Conversations()
    machine.begin(World("messages", hosted=True), auto=False)
    machine.run_workflow("athlete 1", 1e9, watched=True)
    machine.network_works(0)
    machine.network(0, "lost", "taken")
    (call,) = machine.calls
    for _ in range(LOOKS):
        machine._give(call, answer({"data": []}), "answer")
    machine.network_works(0)
    assert len(machine.server.runs) == 2
