"""The base of all models: known keys are typed, unknown keys are kept."""

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
"""A point in time. Text and unix seconds stay as they were written; ``datetime`` and ``date``
objects go out as ISO 8601."""


def plain_number(value: Any) -> Any:
    """A ``Decimal`` as the int or float that it is; every other value as it is."""
    if not isinstance(value, Decimal):
        return value
    if not value.is_finite():
        return float("nan")  # has no JSON form either
    return int(value) if value == value.to_integral_value() else float(value)


NumberOrText: TypeAlias = Annotated[
    StrictInt | StrictFloat | StrictStr | None, BeforeValidator(plain_number)
]
"""A number or a text that stays what it was: 8 does not become 8.0, nor "8" become 8."""


_building = threading.RLock()


class FrozenModel(BaseModel):
    """A frozen model. Its validator is built when it is needed, and not with the import.

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
        # Without the unknown keys: a repr ends up in logs and tracebacks.
        fields = type(self).model_fields.items()
        return [(name, getattr(self, name, None)) for name, field in fields if field.repr]


def build_models() -> None:
    """Build all validators: a client does so before its first run."""
    kinds: list[type[FrozenModel]] = [FrozenModel]
    for kind in kinds:
        kind.model_rebuild()
        kinds += kind.__subclasses__()


def card_html(title: str, **values: object) -> str:
    """A small HTML table for notebooks, without a style of its own; ``None`` is left out."""
    rows = "".join(
        f"<tr><th scope='row'>{escape(name)}</th><td>{escape(str(value))}</td></tr>"
        for name, value in values.items()
        if value is not None
    )
    return f"<table><caption>{escape(title)}</caption>{rows}</table>"
