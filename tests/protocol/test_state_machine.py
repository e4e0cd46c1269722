"""Server, network and clients as a state machine: the guarantees hold in any order of faults.

Hypothesis is the network: it decides whether a request arrives, and which part of the response
reaches the client. It is also the agents, the clock, and clients that disappear. The invariant and
the ``_check`` methods state the guarantees. The tests at the end show two known gaps.

``make test`` tries 50 sequences, ``make soak`` tries 500, and ``make fuzz`` tries 1,000 new
sequences.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import pytest
from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from edn360_chatkit import (
    APIError,
    APIStatusError,
    ChatKitError,
    InvalidInputError,
    InvalidResponseError,
    RunReference,
    WorkflowError,
    WorkflowFailedError,
    WorkflowResponse,
    WorkflowTimeoutError,
)
from edn360_chatkit._effects import Send
from edn360_chatkit._protocol.inputs import Prepared
from edn360_chatkit._protocol.polling import LAST_LOOK
from edn360_chatkit._protocol.run import Waiting
from edn360_chatkit._protocol.sending import LOOKS
from edn360_chatkit._protocol.workflow import Workflow
from tests.support.model import (
    ARRIVAL,
    BACK,
    Arrival,
    Back,
    Call,
    World,
)
from tests.support.script import answer
from tests.support.simulation import ATTEMPTS, INTERVAL, Simulation

DEADLINES = (1e9, 40.0, 5.0)

TEXTS = ("athlete 1", "athlete 2")
WHICH = st.integers(0, 5)

T = TypeVar("T")


def pick(choices: Sequence[T], which: int) -> T:
    return choices[which % len(choices)]


class Conversations(Simulation):
    """Each rule is an event that can happen at any time."""

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
            late = self.clock + max(LAST_LOOK, pause) >= call.until
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
        """The stored reference of a killed client finds its run, or no run."""
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
