"""``EDN360Input``: the input of the workflow.

Backends send different keys. Known keys are typed and unknown keys are kept. The workflow gets the
keys and values that came in.
"""

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BaseModel, Field, StrictInt, StrictStr
from pydantic_core import PydanticCustomError, to_jsonable_python

from ._json import is_object
from ._validation import field_error, invalid, validate
from .models.base import (
    FrozenModel,
    Moment,
    NumberOrText,
    OpenModel,
    build_models,
    card_html,
    plain_number,
)


def _not_blank(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "Text should not be empty")
    return text


class AthleteData(OpenModel):
    """Data of an athlete. The repr has only the number of fields, since it may be logged."""

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return [("fields", len(self.model_fields_set))]


class Subscription(AthleteData):
    """The athlete's subscription, as a nested object."""

    plan: StrictStr | None = None
    status: StrictStr | None = None


class UserProfile(AthleteData):
    """The athlete. Only ``user_id`` is required.

    ``height`` and ``weight`` are in the backend's unit; ``height_cm`` is in centimetres and
    ``weight_kg`` in kilograms.
    """

    user_id: Annotated[StrictStr, AfterValidator(_not_blank)]
    name: StrictStr | None = None
    email: StrictStr | None = None
    phone: StrictStr | StrictInt | None = None
    age: NumberOrText = None
    gender: StrictStr | None = None
    sex: StrictStr | None = None
    height: NumberOrText = None
    height_cm: NumberOrText = None
    weight: NumberOrText = None
    weight_kg: NumberOrText = None
    created_at: Moment | None = None
    subscription: Subscription | StrictStr | None = None
    subscription_plan: StrictStr | None = None
    subscription_status: StrictStr | None = None


class Questionnaire(AthleteData):
    """A questionnaire that the athlete filled in.

    Backends name its kind ``source``, ``type`` or ``questionnaire_type`` and its answers
    ``payload``, ``answers`` or ``responses``; :attr:`kind` and :attr:`content` read each name.
    """

    submission_id: StrictStr | StrictInt | None = None
    submitted_at: Moment | None = None
    source: StrictStr | None = None
    type: StrictStr | None = None
    questionnaire_type: StrictStr | None = None
    payload: dict[str, Any] | None = None
    answers: dict[str, Any] | None = None
    responses: dict[str, Any] | None = None

    @property
    def kind(self) -> str | None:
        """The kind, for example ``initial``, ``nutrition_initial`` or ``followup``."""
        return self.source or self.type or self.questionnaire_type

    @property
    def content(self) -> Mapping[str, Any]:
        """The answers by question, or an empty mapping."""
        return self.payload or self.answers or self.responses or {}


class TrainingBlock(FrozenModel):
    """The part of a previous program's block that can be invalid."""

    exercises: list[dict[str, Any]] | None = None


class TrainingDay(FrozenModel):
    """The part of a previous program's session that can be invalid."""

    blocks: list[TrainingBlock] | None = None


class TrainingProgram(FrozenModel):
    """The part of a previous program that can be invalid; other fields may have any value."""

    sessions: list[TrainingDay]


class PreviousTrainingPlan(AthleteData):
    """The previous plan, for an evolution."""

    plan_data: Any = None
    created_at: Moment | None = None
    source: StrictStr | None = None


class RequestContext(AthleteData):
    """The origin and the kind of the request."""

    request_type: StrictStr | None = None
    timestamp: Moment | None = None
    version: NumberOrText = None
    platform: StrictStr | None = None
    previous_training_plan: PreviousTrainingPlan | None = None


class EDN360Input(AthleteData):
    """An athlete's data: the input of the EDN360 training workflow.

    Attributes:
        user_profile: The athlete.
        questionnaires: The athlete's answers: at least one questionnaire.
        context: The kind of request and, for an evolution, the previous plan.

    Raises:
        pydantic.ValidationError: A field is missing or of the wrong type. The clients raise
            :class:`~edn360_chatkit.InvalidInputError` instead.
    """

    user_profile: UserProfile
    questionnaires: Annotated[list[Questionnaire], Field(min_length=1)]
    context: RequestContext | None = None

    def to_json_text(self) -> str:
        """The text that is sent to the workflow: compact JSON, not escaped to ASCII.

        Returns:
            The keys and values that came in; ``datetime`` and ``date`` objects as ISO 8601.

        Raises:
            InvalidInputError: A value has no JSON form. The error has its path, never the value.
        """
        # pydantic 2.11 can't dump by serialize_as_any before the models below this one are built.
        build_models()
        try:
            data = self.model_dump(exclude_unset=True, serialize_as_any=True, warnings=False)
        except ValueError:  # a value that contains itself
            data = self.model_dump(exclude_unset=True, warnings=False)
        try:
            return _dumps(data)
        except (ValueError, TypeError, RecursionError):
            loc = _faulty_loc(data)
        del data
        reason = "JSON can't hold this value (NaN, half a character, a loop, an unknown type)"
        raise invalid(EDN360Input, [field_error(loc, reason, "no_json")])

    def with_previous_program(
        self,
        program: BaseModel | Mapping[str, Any],
        *,
        created_at: Moment | None = None,
        source: str | None = None,
    ) -> "EDN360Input":
        """This input with the previous program, for an evolution.

        Args:
            program: The previous program, a model or a mapping. It becomes
                ``context.previous_training_plan.plan_data``, as the workflow wrote it.
            created_at: The time of its creation.
            source: Its origin, for example ``"edn360"``.

        Returns:
            A new input. ``context.request_type`` is ``"evolution"`` if it was not set.

        Raises:
            InvalidInputError: ``program`` is not a program; ``.errors`` has every invalid field.
        """
        data: Any = program
        if isinstance(program, BaseModel):
            data = program.model_dump(mode="json", exclude_unset=True)
        valid = validate(TrainingProgram, data)
        if isinstance(valid, Exception):
            del program, data
            raise valid
        fields = {"plan_data": data, "created_at": created_at, "source": source}
        # Leave out the fields that are not set: null is a value and would be sent.
        plan = PreviousTrainingPlan.model_validate(
            {name: value for name, value in fields.items() if value is not None}
        )
        context = self.context or RequestContext()
        update: dict[str, Any] = {"previous_training_plan": plan}
        if context.request_type is None:
            update["request_type"] = "evolution"
        return self.model_copy(update={"context": context.model_copy(update=update)})

    def _repr_html_(self) -> str:
        context = self.context or RequestContext()
        return card_html(
            "EDN360Input",
            user_id=self.user_profile.user_id,
            questionnaires=len(self.questionnaires),
            answers=sum(len(questionnaire.content) for questionnaire in self.questionnaires),
            request_type=context.request_type,
            previous_training_plan="yes" if context.previous_training_plan else None,
        )


def _dumps(value: Any) -> str:
    text = json.dumps(
        value, default=_plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    )
    text.encode()  # raises for half a character
    return text


def _plain(value: Any) -> Any:
    """The JSON form of a type that ``json`` does not know: ``Decimal``, dates, sets."""
    return plain_number(value) if isinstance(value, Decimal) else to_jsonable_python(value)


def _faulty_loc(value: Any, loc: tuple[int | str, ...] = ()) -> tuple[int | str, ...]:
    """The path of the innermost value that has no JSON form, at most 20 levels deep."""
    items: Iterable[tuple[Any, Any]] = ()
    if is_object(value):
        items = value.items()
    elif isinstance(value, (list, tuple)):
        items = enumerate(cast("Iterable[Any]", value))
    for key, item in items if len(loc) < 20 else ():
        try:
            _dumps(item)
        except (ValueError, TypeError, RecursionError):
            return _faulty_loc(item, (*loc, key))
    return loc
