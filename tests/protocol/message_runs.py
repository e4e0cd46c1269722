"""Runs over session messages, without I/O."""

from __future__ import annotations

import json
from typing import Any

from edn360_chatkit import ChatSession, RunReference, WorkflowResponse
from edn360_chatkit._config import AnswerRule
from edn360_chatkit._effects import Response
from edn360_chatkit._protocol.inputs import prepare
from edn360_chatkit._protocol.run import Waiting
from edn360_chatkit._protocol.workflow import Workflow
from edn360_chatkit.program.model import ROOT_KEY
from tests.support.samples import ATHLETE
from tests.support.script import Play, Scripted, assistant, config, listing, user

SESSION = ChatSession(id="cksess_1", user="u")
SENT = RunReference(message_id="msg_1", session_id="cksess_1", user="u")
INVALID = json.dumps({ROOT_KEY: {"title": "t"}})
FAILED = json.dumps({"error": {"message": "no tokens"}})
STEP = json.dumps({"profile": {}})


def poll(
    *answers: Scripted,
    attempts: int | None = None,
    rule: AnswerRule = "program",
    interval: float = 2.0,
    message: RunReference = SENT,
) -> tuple[WorkflowResponse, Play]:
    play = Play(answers)
    return run_poll(play, attempts or len(answers), rule, interval, message), play


def run_poll(
    play: Play,
    attempts: int,
    rule: AnswerRule = "program",
    interval: float = 2.0,
    message: RunReference = SENT,
) -> WorkflowResponse:
    waiting = Waiting(poll_interval=interval, max_attempts=attempts, answer=rule)
    return play.run(Workflow(config()).poll_response(SESSION, message, waiting, watched=True))


def posted(*newest_first: str) -> Response:
    count = len(newest_first)
    answers = [assistant(text, f"msg_a{count - i}") for i, text in enumerate(newest_first)]
    return listing(*answers, user("msg_1"))


NOTHING = listing(user("msg_1"))


def run(play: Play, **settings: Any) -> WorkflowResponse:
    workflow = Workflow(config(**settings))
    waiting = Waiting(poll_interval=2.0, max_attempts=60, answer="program")
    return play.run(workflow.run(prepare(ATHLETE), "athlete-1", waiting, watched=True))
