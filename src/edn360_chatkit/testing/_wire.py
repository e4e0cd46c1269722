"""What all endpoints share: reading what comes in, error answers, and pages of lists.

Statuses and messages follow what OpenAI's API is known to answer. The wire's shapes are checked
with models of their own, so that nothing here leans on the code under test.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.responses import JSONResponse

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


class APIError(Exception):
    """An error answer, in the shape of OpenAI's API."""

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code

    def response(self) -> JSONResponse:
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        error = {"message": str(self), "type": kind, "param": self.param, "code": self.code}
        return JSONResponse({"error": error}, self.status)


def invalid_url(method: str, path: str) -> APIError:
    """What the API answers where it has no such endpoint."""
    return APIError(404, f"Invalid URL ({method} {path})")


class Ids:
    """New ids, unlike all before."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def __call__(self, prefix: str) -> str:
        return f"{prefix}_sim{next(self._numbers):06d}"


# --- reading --------------------------------------------------------------------------------


class Strict(BaseModel):
    """A part of a request of OpenAI's API, which refuses what it does not know."""

    model_config = ConfigDict(extra="forbid")


def read_json(body: bytes) -> Any:
    """The JSON of a body.

    Raises:
        APIError: It is no JSON.
    """
    try:
        return json.loads(body)
    except ValueError:
        raise APIError(400, "We could not parse the JSON body of your request.") from None


def read(model: type[M], data: Any, *, under: str = "") -> M:
    """A request's data as a model of the wire; ``under`` is where in the request they stand.

    Raises:
        APIError: It does not fit.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        fault = error.errors()[0]
    param = under
    for part in fault["loc"]:
        param += f"[{part}]" if isinstance(part, int) else f".{part}"
    param = param.lstrip(".")
    if fault["type"] == "extra_forbidden":
        raise _unknown_parameter(param)
    if fault["type"] == "missing":
        raise APIError(
            400,
            f"Missing required parameter: '{param}'.",
            param=param,
            code="missing_required_parameter",
        )
    raise _invalid_value(param, fault["msg"])


def _unknown_parameter(param: str) -> APIError:
    return APIError(400, f"Unknown parameter: '{param}'.", param=param, code="unknown_parameter")


def _invalid_value(param: str, why: str) -> APIError:
    return APIError(400, f"Invalid value for '{param}': {why}.", param=param, code="invalid_value")


# --- lists ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """Which part of a list is asked for."""

    limit: int = 20
    order: str = "desc"  # or "asc"
    after: str | None = None
    before: str | None = None


def read_query(query: Mapping[str, str], *more: str, least: int) -> Asked:
    """What a query asks of a list.

    Args:
        query: The query's parameters.
        more: Parameters that the endpoint has besides.
        least: The smallest limit that it takes.

    Raises:
        APIError: A parameter is not known, or its value is not.
    """
    for name in query:
        if name not in ("limit", "order", "after", "before", *more):
            raise _unknown_parameter(name)
    limit, order = query.get("limit", "20"), query.get("order", "desc")
    if not limit.isdecimal() or not least <= int(limit) <= 100:
        raise _invalid_value("limit", f"Input should be a number from {least} to 100")
    if order not in ("asc", "desc"):
        raise _invalid_value("order", "Input should be 'asc' or 'desc'")
    return Asked(int(limit), order, query.get("after"), query.get("before"))


def select(
    entries: Sequence[T], asked: Asked, identify: Callable[[T], str]
) -> tuple[list[T], bool]:
    """The part of a list that is asked for, and whether there is more.

    ``after`` and ``before`` are places in the order that is asked for. With ``before`` alone, the
    part ends there.

    Args:
        entries: All of them, oldest first.
        asked: Which part.
        identify: Gives an entry's id.

    Raises:
        APIError: ``after`` or ``before`` is not in the list.
    """
    ordered = list(entries) if asked.order == "asc" else list(reversed(entries))
    ids = [identify(entry) for entry in ordered]
    for name, place in (("after", asked.after), ("before", asked.before)):
        if place is not None and place not in ids:
            raise _invalid_value(name, f"No entry found with id '{place}'")
    start = 0 if asked.after is None else ids.index(asked.after) + 1
    stop = len(ids) if asked.before is None else ids.index(asked.before)
    rest = ordered[start:stop]
    more = len(rest) > asked.limit
    if asked.before is not None and asked.after is None:
        return rest[max(len(rest) - asked.limit, 0) :], more
    return rest[: asked.limit], more


def listed(data: Sequence[dict[str, Any]], has_more: bool) -> JSONResponse:
    """A part of a list, in the shape that OpenAI's API has for lists."""
    return JSONResponse(
        {
            "object": "list",
            "data": data,
            "has_more": has_more,
            "first_id": data[0]["id"] if data else None,
            "last_id": data[-1]["id"] if data else None,
        }
    )
