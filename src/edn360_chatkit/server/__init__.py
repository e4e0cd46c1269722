"""A ChatKit server around a workflow of one's own (``pip install "edn360-chatkit[server]"``).

``build_app(run, database=...)`` is a Starlette application; ``serve`` runs it until SIGTERM. The
command ``edn360-chatkit serve MODULE:FUNCTION`` does both.
"""

from .app import build_app
from .process import serve
from .settings import ServerSettings
from .state import IncompleteAnswerError, report_progress

__all__ = [
    "IncompleteAnswerError",
    "ServerSettings",
    "build_app",
    "report_progress",
    "serve",
]
