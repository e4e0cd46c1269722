"""The drivers: the only code that uses a socket or a clock."""

from .library import AsyncHTTPClient, HTTPClient
from .limits import TransportSettings
from .runs import AsyncDriver, AsyncOperationRun, OperationRun, SyncDriver

__all__ = [
    "AsyncDriver",
    "AsyncHTTPClient",
    "AsyncOperationRun",
    "HTTPClient",
    "OperationRun",
    "SyncDriver",
    "TransportSettings",
]
