"""For tests and demos: a ChatKit server on loopback, with a simulated EDN360 workflow.

It needs the extra ``simulator``: ``pip install "edn360-chatkit[simulator]"``.
"""

from __future__ import annotations

try:
    from ._store import RecordedRequest
    from ._workflow import AnswerKind
    from .simulator import ChatKitSimulator, Endpoint
except ModuleNotFoundError as error:
    if error.name not in ("starlette", "uvicorn"):
        raise
    raise ModuleNotFoundError(
        'The simulator needs Starlette and uvicorn: pip install "edn360-chatkit[simulator]"',
        name=error.name,
    ) from error

__all__ = ["AnswerKind", "ChatKitSimulator", "Endpoint", "RecordedRequest"]
