"""The base of the models: known keys are typed, unknown keys are kept."""

import threading
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from html import escape
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Strict,
    StrictFloat,
    StrictInt,
    StrictStr,
)

Moment: TypeAlias = (
    StrictStr | Annotated[datetime, Strict()] | Annotated[date, Strict()] | StrictInt | StrictFloat
)
"""A point in time. Texts and unix seconds stay unchanged; ``datetime`` and ``date`` objects become
ISO 8601 in JSON."""


def plain_number(value: Any) -> Any:
    """A ``Decimal`` as an equal int or float; other values unchanged."""
    if not isinstance(value, Decimal):
        return value
    if not value.is_finite():
        return float("nan")  # has no JSON form either
    return int(value) if value == value.to_integral_value() else float(value)


NumberOrText: TypeAlias = Annotated[
    StrictInt | StrictFloat | StrictStr | None, BeforeValidator(plain_number)
]
"""A number or a text, without conversion: 8 does not become 8.0, and "8" does not become 8."""


_building = threading.RLock()


class FrozenModel(BaseModel):
    """A frozen model. Its validator is built at its first use, and not during the import.

    Validation errors never quote the invalid value: it may be health data.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, hide_input_in_errors=True, defer_build=True
    )

    @classmethod
    def model_rebuild(cls, **options: Any) -> bool | None:
        """Build the validator; pydantic 2.11 fails if two threads do so at once."""
        with _building:
            return super().model_rebuild(**options)


class OpenModel(FrozenModel):
    """A model that keeps every key it does not know."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="allow",
        # NaN has no JSON form. pydantic's default sends null instead; ``to_json_text`` raises.
        ser_json_inf_nan="constants",
    )

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        # Without the unknown keys, since logs and tracebacks show the repr.
        fields = type(self).model_fields.items()
        return [(name, getattr(self, name, None)) for name, field in fields if field.repr]


class Card(OpenModel):
    """A model that a notebook shows as a table of the fields in its repr."""

    def _repr_html_(self) -> str:
        return card_html(type(self).__name__, **{str(n): v for n, v in self.__repr_args__()})


def build_models() -> None:
    """Build the validators of the models: a client does so before its first run.

    A subclass of the caller stays incomplete while a name in its annotations is undefined.
    """
    kinds: list[type[FrozenModel]] = [FrozenModel]
    for kind in kinds:
        if not kind.__pydantic_complete__:
            kind.model_rebuild(raise_errors=False)
        kinds += kind.__subclasses__()


def card_html(title: str, **values: object) -> str:
    """A small HTML table for notebooks. Values that are ``None`` are left out."""
    rows = "".join(
        f"<tr><th scope='row'>{escape(name)}</th><td>{escape(str(value))}</td></tr>"
        for name, value in values.items()
        if value is not None
    )
    return f"<table><caption>{escape(title)}</caption>{rows}</table>"
