"""A ChatKit server around your own workflow (``pip install "edn360-chatkit[server]"``).

``build_app(run, database=...)`` returns an ASGI application; ``serve`` runs it until SIGTERM. The
command ``edn360-chatkit serve MODULE:FUNCTION`` does both.
"""

from importlib.util import find_spec

if not (find_spec("chatkit") and find_spec("sqlalchemy") and find_spec("uvicorn")):
    raise ModuleNotFoundError(
        'The server needs its extra: pip install "edn360-chatkit[server]"', name="chatkit"
    )

from ._app import WorkflowApp, build_app
from ._process import serve
from ._settings import ServerSettings
from ._state import IncompleteAnswerError, report_progress

__all__ = [
    "IncompleteAnswerError",
    "ServerSettings",
    "WorkflowApp",
    "build_app",
    "report_progress",
    "serve",
]
