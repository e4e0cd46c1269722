"""The drivers, and all that touches a socket or a clock."""

from .async_driver import AsyncDriver, AsyncOperationRun
from .library import AsyncHTTPClient, HTTPClient
from .limits import TransportSettings
from .sync_driver import OperationRun, SyncDriver

__all__ = [
    "AsyncDriver",
    "AsyncHTTPClient",
    "AsyncOperationRun",
    "HTTPClient",
    "OperationRun",
    "SyncDriver",
    "TransportSettings",
]
