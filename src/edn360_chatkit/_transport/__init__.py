"""The drivers, and all that touches a socket or a clock."""

from .driver import AsyncDriver, SyncDriver
from .library import AsyncHttpClient, HttpClient
from .limits import TransportSettings
from .operation import AsyncOperationRun, OperationRun

__all__ = [
    "AsyncDriver",
    "AsyncHttpClient",
    "AsyncOperationRun",
    "HttpClient",
    "OperationRun",
    "SyncDriver",
    "TransportSettings",
]
