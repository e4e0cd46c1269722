"""The drivers: the only code that uses a socket or a clock."""

from .drivers import AsyncDriver, AsyncOperationRun, OperationRun, SyncDriver
from .library import AsyncHTTPClient, HTTPClient
from .limits import TransportSettings

__all__ = [
    "AsyncDriver",
    "AsyncHTTPClient",
    "AsyncOperationRun",
    "HTTPClient",
    "OperationRun",
    "SyncDriver",
    "TransportSettings",
]
