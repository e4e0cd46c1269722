"""What the simulator answers in place of the EDN360 workflow.

It reads an athlete's data and writes a plausible program by the rules that
``docs/simulated-workflow.md`` publishes: the same input always gives the same program, without a
clock, chance or a network. It is for tests and demos and is no training advice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from string import ascii_uppercase
from typing import Any

from ..inputs import EDN360Input
from ._exercises import (
    CUES,
    GOALS,
    LAST_RESORT_CUE,
    MOBILITY,
    SPLITS,
    TIMED_REPS,
    Day,
    Exercise,
    Pattern,
    Prescription,
    choose_exercise,
)
from ._questionnaires import Athlete, read_athlete

DISCLAIMER = "Simulated by edn360-chatkit for tests and demos; not training advice."

LEVEL_SERIES = {"beginner": -1, "intermediate": 0, "advanced": 1}
EVOLUTION_RPE_STEP = 1
WEEKS = 4
MOST_EXERCISES = 8
EXERCISES_PER_BLOCK = 2


def simulated_program(edn360_input: EDN360Input) -> dict[str, Any]:
    """Write a program for an athlete by the published rules.

    Args:
        edn360_input: The athlete's data; any that validates will do.

    Returns:
        The program as plain JSON data, without the root key. Every field that the workflow
        documents is filled; title, summary and general notes say that it is simulated.
    """
    athlete = read_athlete(edn360_input)
    goal = GOALS[athlete.goal]
    week: Counter[str] = Counter()
    sessions = [
        _session(number, day, athlete, week)
        for number, day in enumerate(SPLITS[athlete.days_per_week], start=1)
    ]
    days = f"{athlete.days_per_week} {'day' if athlete.days_per_week == 1 else 'days'} a week"
    summary = (
        f"{DISCLAIMER} {goal.title}: {days}, {athlete.session_minutes} minutes a session, "
        f"for {WEEKS} weeks."
    )
    if athlete.evolution:
        summary += f" Evolution of the plan before: RPE raised by {EVOLUTION_RPE_STEP}."
    return {
        "title": f"Simulated program, not training advice: {goal.title.lower()}, {days}",
        "summary": summary,
        "goal": goal.title,
        "training_type": goal.training_type,
        "days_per_week": athlete.days_per_week,
        "session_duration_min": athlete.session_minutes,
        "weeks": WEEKS,
        "sessions": sessions,
        "general_notes": (
            f"{DISCLAIMER} Equipment: {_listed(athlete.equipment, 'body weight only')}. "
            f"Joints not loaded: {_listed(athlete.injuries, 'none named')}. "
            f"Assumed, not answered: {_listed(athlete.assumed, 'nothing')}."
        ),
    }


def simulated_steps(edn360_input: EDN360Input) -> list[dict[str, Any]]:
    """Write what a workflow of several agents posts before its answer.

    Args:
        edn360_input: The athlete's data; any that validates will do.

    Returns:
        Three objects of one root key each, as plain JSON data: ``profile``,
        ``questionnaire_normalized`` and ``training_plan``.
    """
    profile = edn360_input.user_profile
    measures = {"age": profile.age, "height_cm": profile.height_cm, "weight_kg": profile.weight_kg}
    athlete = read_athlete(edn360_input)
    program = simulated_program(edn360_input)
    return [
        {
            "profile": {
                # What can't be written as JSON (NaN, half a character) must not reach the answer.
                "user_id": profile.user_id.encode("utf-8", "replace").decode("utf-8"),
                **{
                    name: measure
                    for name, measure in measures.items()
                    if isinstance(measure, (int, float)) and abs(measure) < 1e6
                },
            }
        },
        {
            "questionnaire_normalized": {
                "days_per_week": athlete.days_per_week,
                "session_duration_min": athlete.session_minutes,
                "goal": athlete.goal,
                "equipment": sorted(athlete.equipment),
                "injuries": sorted(athlete.injuries),
                "level": athlete.level,
                "evolution": athlete.evolution,
                "assumed": list(athlete.assumed),
            }
        },
        {
            "training_plan": {
                "weeks": WEEKS,
                "sessions": [
                    {
                        "id": session["id"],
                        "name": session["name"],
                        "exercises": [e["name"] for b in session["blocks"] for e in b["exercises"]],
                    }
                    for session in program["sessions"]
                ],
            }
        },
    ]


def _listed(names: Collection[str], nothing: str) -> str:
    return ", ".join(sorted(names)).replace("_", " ") or nothing


def _prescription(day: Day, athlete: Athlete, work: int) -> Prescription:
    """The goal's, changed by level and evolution, and cut to the sets that the time allows."""
    chosen = MOBILITY
    if day.patterns != ("mobility",):
        goal = GOALS[athlete.goal]
        series = goal.series + LEVEL_SERIES[athlete.level]
        step = EVOLUTION_RPE_STEP if athlete.evolution else 0
        chosen = replace(goal, series=series, rpe=(goal.rpe[0] + step, goal.rpe[1] + step))
    return replace(chosen, series=min(chosen.series, work // chosen.minutes_per_set))


def _session(number: int, day: Day, athlete: Athlete, week: Counter[str]) -> dict[str, Any]:
    """One training day: as many exercises as its time allows, in blocks of two."""
    warm_up = max(1, athlete.session_minutes // 6)
    closing = max(1, athlete.session_minutes // 12)
    work = athlete.session_minutes - warm_up - closing
    done = _prescription(day, athlete, work)
    count = min(MOST_EXERCISES, work // (done.series * done.minutes_per_set))
    conditioning = 1 if done.conditioning and count > 1 else 0

    taken: set[str] = set()
    chosen = [
        *_choose(day.patterns, count - conditioning, athlete, taken, week),
        *_choose(("conditioning",), conditioning, athlete, taken, week),
    ]
    # Blocks are cut from what was chosen, so that none can be empty.
    cuts = range(0, len(chosen), EXERCISES_PER_BLOCK)
    blocks = [chosen[cut : cut + EXERCISES_PER_BLOCK] for cut in cuts]
    return {
        "id": f"D{number}",
        "name": day.name,
        "focus": list(day.focus),
        "blocks": [
            {
                "id": letter,
                "primary_muscles": list(dict.fromkeys(e.primary_group for _, e in block)),
                "secondary_muscles": list(dict.fromkeys(e.secondary_group for _, e in block)),
                "exercises": _written(block, done),
            }
            for letter, block in zip(ascii_uppercase, blocks, strict=False)
        ],
        "session_notes": (
            f"Warm up for {warm_up} minutes with easy movement. The exercises take up to {work} "
            f"minutes, counting {done.minutes_per_set} minutes a set with its rest."
        ),
        "core_mobility_block": {
            "duration_min": closing,
            "exercises": _written(
                _choose(("core", "mobility"), 2, athlete, taken, week), replace(MOBILITY, series=1)
            ),
        },
    }


def _choose(
    patterns: tuple[Pattern, ...],
    count: int,
    athlete: Athlete,
    taken: set[str],
    week: Counter[str],
) -> list[tuple[Pattern, Exercise]]:
    """One exercise of each pattern in turn, round by round, until there are enough or no more.

    Last resorts only fill what is left when no pattern has anything else.
    """
    chosen: list[tuple[Pattern, Exercise]] = []
    for last_resort in (False, True):
        for pattern in patterns * count:
            if len(chosen) == count:
                break
            exercise = choose_exercise(
                pattern,
                athlete.equipment,
                athlete.injuries,
                last_resort=last_resort,
                taken=taken,
                week=week,
            )
            if exercise:
                chosen.append((pattern, exercise))
                taken.add(exercise.name)
                week[exercise.name] += 1
    return chosen


def _written(chosen: list[tuple[Pattern, Exercise]], done: Prescription) -> list[dict[str, Any]]:
    """Exercises as the program has them, numbered from 1."""
    return [
        {
            "order": order,
            "name": exercise.name,
            "primary_group": exercise.primary_group,
            "secondary_group": exercise.secondary_group,
            "series": done.series,
            "reps": TIMED_REPS if exercise.timed else done.reps,
            "rpe": f"{done.rpe[0]}-{done.rpe[1]}",
            "notes": LAST_RESORT_CUE if exercise.last_resort else CUES[pattern],
            "video_url": f"https://example.com/videos/{exercise.key}",
            "db_id": f"sim-{exercise.key}",
        }
        for order, (pattern, exercise) in enumerate(chosen, start=1)
    ]
