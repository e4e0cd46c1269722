"""What the simulated workflow knows of training: exercises, goals and the days of a week.

Every exercise says what it needs and which joints it loads, so that choosing is a filter and
not a judgement. ``docs/simulated-workflow.md`` publishes the rules. None of it is training advice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar, get_args

T = TypeVar("T")

Equipment: TypeAlias = Literal[
    "barbell", "dumbbells", "kettlebell", "bands", "machines", "pull_up_bar"
]
Joint: TypeAlias = Literal[
    "knee", "shoulder", "lower_back", "wrist", "ankle", "elbow", "hip", "neck"
]
Pattern: TypeAlias = Literal[
    "squat",
    "hinge",
    "lunge",
    "calf",
    "horizontal_push",
    "vertical_push",
    "elbow_extension",
    "horizontal_pull",
    "vertical_pull",
    "elbow_flexion",
    "core",
    "conditioning",
    "mobility",
]

ALL_EQUIPMENT: frozenset[Equipment] = frozenset(get_args(Equipment))
ALL_JOINTS: frozenset[Joint] = frozenset(get_args(Joint))


def by_phrase(phrases: Mapping[T, str]) -> dict[str, T]:
    """Turn a vocabulary of meaning → "phrase, phrase" into phrase → meaning.

    Phrases are written as they are compared: lower case, without accents.
    """
    return {phrase: meaning for meaning, row in phrases.items() for phrase in row.split(", ")}


EQUIPMENT_WORDS: dict[str, frozenset[Equipment]] = by_phrase(
    {
        ALL_EQUIPMENT: "gym, gyms, gimnasio, gimnasios",
        frozenset({"barbell"}): "barbell, barbells, barra, barras",
        frozenset({"dumbbells"}): "dumbbell, dumbbells, mancuerna, mancuernas",
        frozenset({"kettlebell"}): "kettlebell, kettlebells, pesa rusa, pesas rusas",
        frozenset({"bands"}): "band, bands, banda, bandas, goma, gomas, elastico, elasticos",
        frozenset({"machines"}): "machine, machines, cables, maquina, maquinas, polea, poleas",
        frozenset({"pull_up_bar"}): "pull up bar, chin up bar, barra de dominadas, barra dominadas",
        # Body weight is an answer too: it needs nothing.
        frozenset(): "bodyweight, body weight, calisthenics, peso corporal, calistenia",
    }
)
JOINT_WORDS: dict[str, frozenset[Joint]] = by_phrase(
    {
        frozenset({"knee"}): "knee, knees, meniscus, acl, rodilla, rodillas, menisco, lca",
        frozenset({"shoulder"}): "shoulder, shoulders, rotator cuff, hombro, hombros, manguito",
        frozenset({"lower_back"}): "back, spine, disc, sciatica, lumbar, lumbares, lumbalgia, "
        "espalda, columna, hernia discal, ciatica",
        frozenset({"wrist"}): "wrist, wrists, carpal, muneca, munecas, carpiano",
        frozenset({"ankle"}): "ankle, ankles, achilles, tobillo, tobillos, aquiles",
        frozenset({"elbow"}): "elbow, elbows, codo, codos, epicondilitis",
        frozenset({"hip"}): "hip, hips, groin, cadera, caderas, ingle",
        frozenset({"neck"}): "neck, cuello, cervical, cervicales",
    }
)


@dataclass(frozen=True)
class Day:
    """One day of a weekly split: what it trains, in the order in which it is done."""

    name: str
    focus: tuple[str, ...]
    patterns: tuple[Pattern, ...]


@dataclass(frozen=True)
class Prescription:
    """How the exercises of a goal are done.

    Attributes:
        title: The goal in words.
        training_type: The kind of training.
        series: Sets of every exercise, before the athlete's level.
        reps: Repetitions of a set.
        rpe: Lower and upper end of the rating of perceived exertion, before an evolution.
        minutes_per_set: Work and rest together; what the number of exercises is worked out with.
        conditioning: Whether a session of two or more exercises ends with a conditioning one.
    """

    title: str
    training_type: str
    series: int
    reps: str
    rpe: tuple[int, int]
    minutes_per_set: int
    conditioning: bool = False


GOALS: dict[str, Prescription] = {
    "strength": Prescription("Strength", "strength", 4, "4-6", (7, 8), 3),
    "hypertrophy": Prescription("Hypertrophy", "hypertrophy", 3, "8-12", (7, 8), 3),
    "fat_loss": Prescription("Fat loss", "strength and conditioning", 3, "12-15", (6, 7), 2, True),
    "endurance": Prescription("Endurance", "endurance", 3, "15-20", (5, 6), 2, True),
    "general_fitness": Prescription("General fitness", "general", 3, "10-12", (6, 7), 3),
}
TIMED_REPS = "30-45s"
MOBILITY = Prescription("Mobility", "mobility", 2, TIMED_REPS, (3, 4), 2)
"""An easy day, and what closes every session; neither level nor evolution changes it."""


@dataclass(frozen=True)
class Exercise:
    """One exercise of the catalogue.

    Attributes:
        name: What it is called.
        primary_group: The muscle group that it is for.
        secondary_group: A muscle group that also works.
        equipment: What it needs; ``None`` for body weight alone.
        joints: The joints that it loads; empty for a last resort, which moves no joint.
        timed: Whether a set is measured in seconds instead of repetitions.
    """

    name: str
    primary_group: str
    secondary_group: str
    equipment: Equipment | None
    joints: tuple[Joint, ...]
    timed: bool = False

    @property
    def last_resort(self) -> bool:
        """Whether it suits everyone: it needs nothing and loads no joint."""
        return not self.equipment and not self.joints

    @property
    def key(self) -> str:
        """Its name as a key for links and databases, such as ``single-leg-glute-bridge``."""
        return "-".join(self.name.lower().replace(",", "").split())

    def suits(self, equipment: Collection[Equipment], injuries: Collection[Joint]) -> bool:
        """Whether an athlete with this equipment and these injured joints can do it."""
        at_hand = self.equipment is None or self.equipment in equipment
        return at_hand and not any(joint in injuries for joint in self.joints)


def choose_exercise(
    pattern: Pattern,
    equipment: Collection[Equipment],
    injuries: Collection[Joint],
    *,
    last_resort: bool,
    taken: Collection[str],
    week: Counter[str],
) -> Exercise | None:
    """Choose one exercise of a pattern.

    The rule: of the exercises that suit the athlete and that the session does not have yet, those
    with equipment come before body weight. Of those, the one that the week has had least often;
    of equals, the first in the catalogue.

    Args:
        pattern: The movement wanted.
        equipment: What the athlete has.
        injuries: The joints not to load.
        last_resort: Whether to choose among the last resorts or among all others.
        taken: Names that the session has already.
        week: How often the week has had each name so far.

    Returns:
        The exercise, or ``None`` where the session already has every one that suits.
    """
    fitting = [
        exercise
        for exercise in CATALOGUE[pattern]
        if exercise.last_resort == last_resort
        and exercise.name not in taken
        and exercise.suits(equipment, injuries)
    ]
    with_equipment = [exercise for exercise in fitting if exercise.equipment]
    # min() keeps the first of equals, which is what makes the catalogue's order count.
    return min(with_equipment or fitting, key=lambda exercise: week[exercise.name], default=None)


CUES: dict[Pattern, str] = {
    "squat": "Lower slowly and keep the knees in line with the feet.",
    "hinge": "Lower slowly and keep the back long.",
    "lunge": "Do the same on both sides.",
    "calf": "Pause at the top of each repetition.",
    "horizontal_push": "Keep the shoulder blades back and down.",
    "vertical_push": "Keep the ribs down while the arms go up.",
    "elbow_extension": "Keep the upper arms still.",
    "horizontal_pull": "Start each repetition with the shoulder blades.",
    "vertical_pull": "Pull the elbows towards the hips.",
    "elbow_flexion": "Keep the upper arms still.",
    "core": "Breathe calmly and keep the trunk still.",
    "conditioning": "Keep a pace at which you can still speak in short sentences.",
    "mobility": "Move slowly and stay where it is comfortable.",
}
"""What the exercises of a pattern say in their notes."""

LAST_RESORT_CUE = "Breathe calmly and move no joint; use light tension only."
"""What a last resort says instead."""

# The two sets of joints that most exercises load.
LEGS: tuple[Joint, ...] = ("knee", "hip", "ankle")
PRESS: tuple[Joint, ...] = ("shoulder", "elbow", "wrist")

CATALOGUE: dict[Pattern, tuple[Exercise, ...]] = {
    "squat": (
        Exercise("Leg press", "Quadriceps", "Glutes", "machines", ("knee", "hip")),
        Exercise(
            "Barbell front squat",
            "Quadriceps",
            "Glutes",
            "barbell",
            (*LEGS, "lower_back", "wrist", "shoulder"),
        ),
        Exercise("Dumbbell goblet squat", "Quadriceps", "Glutes", "dumbbells", (*LEGS, "wrist")),
        Exercise("Leg extension", "Quadriceps", "Hip flexors", "machines", ("knee",)),
        Exercise("Kettlebell goblet squat", "Quadriceps", "Glutes", "kettlebell", (*LEGS, "wrist")),
        Exercise("Banded squat", "Quadriceps", "Glutes", "bands", LEGS),
        Exercise("Bodyweight squat", "Quadriceps", "Glutes", None, LEGS),
        Exercise("Wall sit", "Quadriceps", "Glutes", None, ("knee", "hip"), timed=True),
        Exercise("Lying quad squeeze", "Quadriceps", "Hip flexors", None, (), timed=True),
    ),
    "hinge": (
        Exercise(
            "Barbell deadlift",
            "Hamstrings",
            "Glutes",
            "barbell",
            ("hip", "lower_back", "knee", "wrist"),
        ),
        Exercise("Lying leg curl", "Hamstrings", "Calves", "machines", ("knee",)),
        Exercise(
            "Dumbbell Romanian deadlift",
            "Hamstrings",
            "Glutes",
            "dumbbells",
            ("hip", "lower_back", "wrist"),
        ),
        Exercise("Dumbbell hip thrust", "Glutes", "Hamstrings", "dumbbells", ("hip",)),
        Exercise(
            "Kettlebell deadlift",
            "Hamstrings",
            "Glutes",
            "kettlebell",
            ("hip", "lower_back", "wrist"),
        ),
        Exercise("Banded pull-through", "Glutes", "Hamstrings", "bands", ("hip",)),
        Exercise("Glute bridge", "Glutes", "Hamstrings", None, ("hip",)),
        Exercise("Single-leg glute bridge", "Glutes", "Hamstrings", None, ("hip", "lower_back")),
        Exercise("Lying glute squeeze", "Glutes", "Hamstrings", None, (), timed=True),
    ),
    "lunge": (
        Exercise(
            "Barbell reverse lunge",
            "Quadriceps",
            "Glutes",
            "barbell",
            (*LEGS, "lower_back", "neck", "shoulder", "wrist"),
        ),
        Exercise("Dumbbell split squat", "Quadriceps", "Glutes", "dumbbells", (*LEGS, "wrist")),
        Exercise("Hip abduction machine", "Glutes", "Abductors", "machines", ("hip",)),
        Exercise(
            "Kettlebell reverse lunge", "Quadriceps", "Glutes", "kettlebell", (*LEGS, "wrist")
        ),
        Exercise("Banded side step", "Glutes", "Abductors", "bands", LEGS),
        Exercise("Split squat", "Quadriceps", "Glutes", None, LEGS),
        Exercise("Side-lying leg raise", "Glutes", "Abductors", None, ("hip",)),
        Exercise("Lying thigh squeeze", "Adductors", "Quadriceps", None, (), timed=True),
    ),
    "calf": (
        Exercise("Machine calf raise", "Calves", "Feet", "machines", ("ankle",)),
        Exercise("Dumbbell calf raise", "Calves", "Feet", "dumbbells", ("ankle", "wrist")),
        Exercise("Standing calf raise", "Calves", "Feet", None, ("ankle",)),
        Exercise("Single-leg calf raise", "Calves", "Feet", None, ("ankle", "knee")),
        Exercise("Lying calf squeeze", "Calves", "Feet", None, (), timed=True),
    ),
    "horizontal_push": (
        Exercise("Machine chest press", "Chest", "Triceps", "machines", PRESS),
        Exercise("Barbell floor press", "Chest", "Triceps", "barbell", PRESS),
        Exercise("Dumbbell floor press", "Chest", "Triceps", "dumbbells", PRESS),
        Exercise("Cable fly", "Chest", "Shoulders", "machines", ("shoulder",)),
        Exercise("Kettlebell floor press", "Chest", "Triceps", "kettlebell", PRESS),
        Exercise("Banded chest press", "Chest", "Triceps", "bands", ("shoulder", "elbow")),
        Exercise("Push-up", "Chest", "Triceps", None, PRESS),
        Exercise("Incline push-up", "Chest", "Triceps", None, PRESS),
        Exercise("Chest squeeze, arms resting", "Chest", "Arms", None, (), timed=True),
    ),
    "vertical_push": (
        Exercise("Machine shoulder press", "Shoulders", "Triceps", "machines", PRESS),
        Exercise(
            "Barbell overhead press",
            "Shoulders",
            "Triceps",
            "barbell",
            (*PRESS, "lower_back", "neck"),
        ),
        Exercise("Dumbbell shoulder press", "Shoulders", "Triceps", "dumbbells", (*PRESS, "neck")),
        Exercise(
            "Dumbbell lateral raise",
            "Shoulders",
            "Trapezius",
            "dumbbells",
            ("shoulder", "wrist", "neck"),
        ),
        Exercise("Kettlebell press", "Shoulders", "Triceps", "kettlebell", (*PRESS, "neck")),
        Exercise(
            "Banded overhead press", "Shoulders", "Triceps", "bands", ("shoulder", "elbow", "neck")
        ),
        Exercise("Pike push-up", "Shoulders", "Triceps", None, (*PRESS, "neck")),
        Exercise("Wall slide", "Shoulders", "Upper back", None, ("shoulder",)),
        Exercise("Shoulder squeeze, arms resting", "Shoulders", "Arms", None, (), timed=True),
    ),
    "elbow_extension": (
        Exercise("Cable triceps pushdown", "Triceps", "Forearms", "machines", ("elbow", "wrist")),
        Exercise("Close-grip barbell floor press", "Triceps", "Chest", "barbell", PRESS),
        Exercise("Dumbbell triceps extension", "Triceps", "Shoulders", "dumbbells", PRESS),
        Exercise("Banded triceps pushdown", "Triceps", "Forearms", "bands", ("elbow",)),
        Exercise("Close-grip push-up", "Triceps", "Chest", None, PRESS),
        Exercise("Triceps squeeze, arms resting", "Triceps", "Forearms", None, (), timed=True),
    ),
    "horizontal_pull": (
        Exercise("Seated cable row", "Upper back", "Biceps", "machines", ("shoulder", "elbow")),
        Exercise(
            "Barbell bent-over row",
            "Upper back",
            "Biceps",
            "barbell",
            (*PRESS, "lower_back", "hip"),
        ),
        Exercise("One-arm dumbbell row", "Upper back", "Biceps", "dumbbells", PRESS),
        Exercise("One-arm kettlebell row", "Upper back", "Biceps", "kettlebell", PRESS),
        Exercise("Banded row", "Upper back", "Biceps", "bands", ("shoulder", "elbow")),
        Exercise("Prone reverse fly", "Upper back", "Shoulders", None, ("shoulder", "neck")),
        Exercise("Wall elbow push", "Upper back", "Shoulders", None, ("shoulder",)),
        Exercise("Seated shoulder blade squeeze", "Upper back", "Trapezius", None, (), timed=True),
    ),
    "vertical_pull": (
        Exercise("Lat pulldown", "Lats", "Biceps", "machines", ("shoulder", "elbow")),
        Exercise("Pull-up", "Lats", "Biceps", "pull_up_bar", PRESS),
        Exercise("Chin-up", "Lats", "Biceps", "pull_up_bar", PRESS),
        Exercise("Dumbbell pullover", "Lats", "Chest", "dumbbells", ("shoulder", "wrist")),
        Exercise("Banded pulldown", "Lats", "Biceps", "bands", ("shoulder", "elbow")),
        Exercise("Prone pulldown", "Lats", "Upper back", None, ("shoulder", "neck")),
        Exercise("Lat squeeze, arms resting", "Lats", "Upper back", None, (), timed=True),
    ),
    "elbow_flexion": (
        Exercise("Cable curl", "Biceps", "Forearms", "machines", ("elbow", "wrist")),
        Exercise("Barbell curl", "Biceps", "Forearms", "barbell", ("elbow", "wrist")),
        Exercise("Dumbbell curl", "Biceps", "Forearms", "dumbbells", ("elbow", "wrist")),
        Exercise("Dumbbell hammer curl", "Biceps", "Forearms", "dumbbells", ("elbow", "wrist")),
        Exercise("Kettlebell curl", "Biceps", "Forearms", "kettlebell", ("elbow", "wrist")),
        Exercise("Banded curl", "Biceps", "Forearms", "bands", ("elbow",)),
        Exercise("Self-resisted curl", "Biceps", "Forearms", None, ("elbow", "wrist")),
        Exercise("Biceps squeeze, arms resting", "Biceps", "Forearms", None, (), timed=True),
    ),
    "core": (
        Exercise("Cable Pallof press", "Abdominals", "Obliques", "machines", ("shoulder",)),
        Exercise("Banded Pallof press", "Abdominals", "Obliques", "bands", ("shoulder",)),
        Exercise("Dead bug", "Abdominals", "Hip flexors", None, ("shoulder", "hip")),
        Exercise(
            "Side plank", "Obliques", "Glutes", None, ("shoulder", "elbow", "hip"), timed=True
        ),
        Exercise(
            "Bird dog",
            "Lower back",
            "Glutes",
            None,
            ("shoulder", "wrist", "knee", "hip", "lower_back"),
        ),
        Exercise("Heel slide", "Abdominals", "Hip flexors", None, ("hip", "knee")),
        Exercise("Lying abdominal brace", "Abdominals", "Obliques", None, (), timed=True),
    ),
    "conditioning": (
        Exercise("Stationary bike", "Heart and lungs", "Quadriceps", "machines", LEGS, timed=True),
        Exercise(
            "Rowing machine",
            "Heart and lungs",
            "Upper back",
            "machines",
            (*PRESS, "knee", "hip", "lower_back"),
            timed=True,
        ),
        Exercise(
            "Kettlebell swing",
            "Heart and lungs",
            "Glutes",
            "kettlebell",
            ("hip", "lower_back", "shoulder", "wrist"),
            timed=True,
        ),
        Exercise("Marching in place", "Heart and lungs", "Hip flexors", None, LEGS, timed=True),
        Exercise(
            "Shadow boxing", "Heart and lungs", "Shoulders", None, ("shoulder", "elbow"), timed=True
        ),
        Exercise("Paced breathing, seated", "Heart and lungs", "Diaphragm", None, (), timed=True),
    ),
    "mobility": (
        Exercise(
            "Open book rotation",
            "Upper back",
            "Chest",
            None,
            ("shoulder", "lower_back"),
            timed=True,
        ),
        Exercise("Lying hamstring stretch", "Hamstrings", "Calves", None, ("hip",), timed=True),
        Exercise(
            "Half-kneeling hip stretch",
            "Hip flexors",
            "Quadriceps",
            None,
            ("hip", "knee"),
            timed=True,
        ),
        Exercise(
            "Cat-cow",
            "Lower back",
            "Upper back",
            None,
            ("wrist", "knee", "lower_back", "neck"),
            timed=True,
        ),
        Exercise("Ankle rock", "Calves", "Feet", None, ("ankle", "knee"), timed=True),
        Exercise("Doorway chest stretch", "Chest", "Shoulders", None, ("shoulder",), timed=True),
        Exercise("Wrist circles", "Forearms", "Hands", None, ("wrist",), timed=True),
        Exercise("Slow neck turns", "Neck", "Trapezius", None, ("neck",), timed=True),
        Exercise("Lying knee sway", "Lower back", "Hips", None, ("lower_back", "hip"), timed=True),
        Exercise("Lying relaxation", "Whole body", "Diaphragm", None, (), timed=True),
    ),
}

_UPPER_PATTERNS: tuple[Pattern, ...] = (
    *("horizontal_push", "horizontal_pull", "vertical_push", "vertical_pull"),
    *("elbow_extension", "elbow_flexion"),
)
_LOWER_PATTERNS: tuple[Pattern, ...] = ("squat", "hinge", "lunge", "calf")
_PUSH_PATTERNS: tuple[Pattern, ...] = ("horizontal_push", "vertical_push", "elbow_extension")
_PULL_PATTERNS: tuple[Pattern, ...] = ("horizontal_pull", "vertical_pull", "elbow_flexion")
_FULL_BODY_PATTERNS: tuple[tuple[Pattern, ...], ...] = (
    (
        *("squat", "horizontal_push", "horizontal_pull", "hinge"),
        *("vertical_push", "vertical_pull", "lunge"),
    ),
    (
        *("hinge", "vertical_push", "vertical_pull", "squat"),
        *("horizontal_push", "horizontal_pull", "lunge"),
    ),
    (
        *("lunge", "horizontal_push", "vertical_pull", "hinge"),
        *("vertical_push", "horizontal_pull", "squat"),
    ),
)


def _days(name: str, focus: tuple[str, ...], patterns: tuple[Pattern, ...]) -> tuple[Day, Day]:
    """Two days of the same patterns; the rule of choice makes their exercises differ."""
    return Day(f"{name} A", focus, patterns), Day(f"{name} B", focus, patterns)


_FULL_BODY = tuple(
    Day(f"Full body {letter}", ("Full body",), patterns)
    for letter, patterns in zip("ABC", _FULL_BODY_PATTERNS, strict=True)
)
_UPPER = _days("Upper body", ("Chest", "Back", "Shoulders", "Arms"), _UPPER_PATTERNS)
_LOWER = _days("Lower body", ("Legs", "Glutes"), _LOWER_PATTERNS)
_PUSH = _days("Push", ("Chest", "Shoulders", "Triceps"), _PUSH_PATTERNS)
_PULL = _days("Pull", ("Back", "Biceps"), _PULL_PATTERNS)
_LEGS = _days("Legs", ("Legs", "Glutes"), _LOWER_PATTERNS)
_MOBILITY = Day("Mobility", ("Mobility", "Recovery"), ("mobility",))

SPLITS: dict[int, tuple[Day, ...]] = {
    1: _FULL_BODY[:1],
    2: _FULL_BODY[:2],
    3: _FULL_BODY,
    4: (_UPPER[0], _LOWER[0], _UPPER[1], _LOWER[1]),
    5: (_PUSH[0], _PULL[0], _LEGS[0], _UPPER[0], _LOWER[0]),
    6: (_PUSH[0], _PULL[0], _LEGS[0], _PUSH[1], _PULL[1], _LEGS[1]),
    7: (_PUSH[0], _PULL[0], _LEGS[0], _PUSH[1], _PULL[1], _LEGS[1], _MOBILITY),
}
"""The days of a week, by how many there are."""
