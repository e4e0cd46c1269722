"""OpenAI's own client makes and cancels a session on the simulator: it was not written by us."""

from __future__ import annotations

import openai
import pytest

from edn360_chatkit.testing import ChatKitSimulator


@pytest.fixture
def theirs(sim: ChatKitSimulator) -> openai.OpenAI:
    base_url = sim.base_url.removesuffix("/chatkit")
    return openai.OpenAI(
        api_key=sim.api_key, base_url=base_url, max_retries=0, _strict_response_validation=True
    )


def test_a_session_is_made_and_cancelled(theirs: openai.OpenAI, sim: ChatKitSimulator) -> None:
    with theirs:
        session = theirs.beta.chatkit.sessions.create(
            user="athlete-1",
            workflow={"id": "wf_demo", "state_variables": {"days": 4}},
            expires_after={"anchor": "created_at", "seconds": 1200},
            rate_limits={"max_requests_per_1_minute": 20},
            chatkit_configuration={"history": {"enabled": False}},
        )
        assert session.status == "active"
        assert session.workflow.state_variables == {"days": 4}
        assert session.max_requests_per_1_minute == 20
        assert session.chatkit_configuration.history.enabled is False
        assert session.id in sim.sessions
        assert theirs.beta.chatkit.sessions.cancel(session.id).status == "cancelled"


def test_errors_are_read_as_those_of_the_api(theirs: openai.OpenAI) -> None:
    with theirs:
        with pytest.raises(openai.NotFoundError, match="No workflow found with id 'nope'"):
            theirs.beta.chatkit.sessions.create(user="u", workflow={"id": "nope"})
        with pytest.raises(openai.NotFoundError, match="Chatkit Session with id 'x' not found"):
            theirs.beta.chatkit.sessions.cancel("x")
        with pytest.raises(openai.BadRequestError) as caught:
            theirs.beta.chatkit.sessions.create(
                user="u", workflow={"id": "wf_demo"}, extra_body={"input": "x"}
            )
    assert (caught.value.param, caught.value.code) == ("input", "unknown_parameter")


def test_a_wrong_key_is_refused(sim: ChatKitSimulator) -> None:
    base_url = sim.base_url.removesuffix("/chatkit")
    with (
        openai.OpenAI(api_key="sk-wrong", base_url=base_url, max_retries=0) as wrong,
        pytest.raises(openai.AuthenticationError),
    ):
        wrong.beta.chatkit.sessions.create(user="u", workflow={"id": "wf_demo"})
