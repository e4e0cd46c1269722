"""The drivers, and all that touches a socket or a clock."""

from .drivers import AsyncDriver, SyncDriver
from .library import AsyncHTTPClient, HTTPClient
from .limits import TransportSettings
from .operation import AsyncOperationRun, OperationRun

__all__ = [
    "AsyncDriver",
    "AsyncHTTPClient",
    "AsyncOperationRun",
    "HTTPClient",
    "OperationRun",
    "SyncDriver",
    "TransportSettings",
]
