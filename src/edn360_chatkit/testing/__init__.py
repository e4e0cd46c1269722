"""A ChatKit server on loopback with a simulated EDN360 workflow, for tests and demos.

It needs the extra ``simulator``: ``pip install "edn360-chatkit[simulator]"``.
"""

from __future__ import annotations

from importlib.util import find_spec

if not (find_spec("starlette") and find_spec("uvicorn")):
    raise ModuleNotFoundError(
        'The simulator needs Starlette and uvicorn: pip install "edn360-chatkit[simulator]"',
        name="starlette",
    )

from ._store import RecordedRequest
from ._workflow import AnswerKind
from .simulator import ChatKitSimulator, Endpoint

__all__ = ["AnswerKind", "ChatKitSimulator", "Endpoint", "RecordedRequest"]
