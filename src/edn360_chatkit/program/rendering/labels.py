"""What the renderings say in their own words, in Spanish and in English."""

from __future__ import annotations

from dataclasses import dataclass

from ..model import Language


@dataclass(frozen=True)
class Labels:
    """The words of one language."""

    program: str
    goal: str
    training_type: str
    weeks: str
    days_per_week: str
    session_minutes: str
    weekly_sets: str
    how_counted: str
    muscle: str
    sets: str
    more: str
    session: str
    block: str
    also: str
    core: str
    estimated: str
    focus: str
    exercise: str
    series_and_reps: str
    notes: str
    video: str
    session_notes: str
    general_notes: str
    no_sessions: str
    no_blocks: str
    no_exercises: str
    decimal: str

    def number(self, value: float) -> str:
        """A number as the language writes it, with two decimals at most."""
        return f"{value:.2f}".rstrip("0").rstrip(".").replace(".", self.decimal)


_LABELS: dict[str, Labels] = {
    "es": Labels(
        program="Programa de entrenamiento",
        goal="Objetivo",
        training_type="Tipo",
        weeks="Semanas",
        days_per_week="Días por semana",
        session_minutes="Minutos por sesión",
        weekly_sets="Series semanales por grupo muscular",
        how_counted="El grupo principal cuenta entero; el secundario, la mitad.",
        muscle="Grupo muscular",
        sets="Series",
        more="más",
        session="Sesión",
        block="Bloque",
        also="también",
        core="Core y movilidad",
        estimated="estimado",
        focus="Enfoque",
        exercise="Ejercicio",
        series_and_reps="Series × reps",
        notes="Notas",
        video="Vídeo",
        session_notes="Notas de la sesión",
        general_notes="Notas generales",
        no_sessions="Sin sesiones",
        no_blocks="Sin bloques",
        no_exercises="Sin ejercicios",
        decimal=",",
    ),
    "en": Labels(
        program="Training program",
        goal="Goal",
        training_type="Type",
        weeks="Weeks",
        days_per_week="Days a week",
        session_minutes="Minutes a session",
        weekly_sets="Weekly sets per muscle group",
        how_counted="The primary group counts whole, the secondary one half.",
        muscle="Muscle group",
        sets="Sets",
        more="more",
        session="Session",
        block="Block",
        also="also",
        core="Core and mobility",
        estimated="estimated",
        focus="Focus",
        exercise="Exercise",
        series_and_reps="Series × reps",
        notes="Notes",
        video="Video",
        session_notes="Session notes",
        general_notes="General notes",
        no_sessions="No sessions",
        no_blocks="No blocks",
        no_exercises="No exercises",
        decimal=".",
    ),
}


def labels(lang: Language) -> Labels:
    """The words of a language.

    Raises:
        ValueError: It is neither ``"es"`` nor ``"en"``.
    """
    try:
        return _LABELS[lang]
    except KeyError:
        raise ValueError(f'lang must be "es" or "en", not {lang!r}.') from None
