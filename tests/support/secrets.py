"""Secrets and an athlete's data, for tests that search texts for them."""

from __future__ import annotations

from typing import Any

from edn360_chatkit.testing import ChatKitSimulator

TOKEN = "token-of-the-header-1"
USER = "athlete-of-the-url-1"
PRIVATE = ("Ana Hidden", "ana.hidden@example.com", "herniated disc L4", "555 0199")


def athlete(**profile: Any) -> dict[str, Any]:
    """A new input on each call, so that no frame of the test holds it."""
    name, email, answer, phone = PRIVATE
    fields = {"user_id": USER, "name": name, "email": email, "phone": phone, **profile}
    payload = {"days_per_week": 3, "injuries": answer}
    return {"user_profile": fields, "questionnaires": [{"source": "initial", "payload": payload}]}


def all_secrets(sim: ChatKitSimulator) -> tuple[str, ...]:
    # The simulator's client secrets begin with "ek_sim".
    return (*PRIVATE, sim.api_key, "ek_sim", TOKEN)


def secrets_in(texts: str, secrets: tuple[str, ...]) -> list[str]:
    return [secret for secret in secrets if secret in texts]


def options(sim: ChatKitSimulator, **more: Any) -> dict[str, Any]:
    hosted = {"api_key": sim.api_key, "base_url": sim.base_url, "headers": {"X-Token": TOKEN}}
    if "server_url" in more:
        hosted = {"headers": {"Authorization": f"Bearer {TOKEN}"}}
    return {"max_retries": 0, "max_attempts": 3, **hosted, **more}
