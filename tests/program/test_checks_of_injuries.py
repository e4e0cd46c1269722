"""An exercise and the injuries that the athlete has."""

from __future__ import annotations

from typing import Any

import pytest

from edn360_chatkit import EDN360Input
from edn360_chatkit.program.athlete import read_athlete

from .good import EXERCISE, athlete, findings_of, program_named


@pytest.mark.parametrize(
    ("name", "answers", "is_found"),
    [
        ("Sentadilla búlgara", {"lesiones": "Molestia en la rodilla derecha"}, True),
        ("Goblet squat", {"injuries": "Left knee is sore after running"}, True),
        ("Zancadas", {"dolor_rodilla": "Sí"}, True),
        ("Zancadas", {"knee_pain": True}, True),
        ("Press militar", {"limitaciones": ["Hombro", "Muñeca"]}, True),
        ("Peso muerto rumano", {"lesiones": "Lumbalgia; ninguna otra"}, True),
        ("Sentadilla", {"lesiones": "No puedo doblar la rodilla izquierda"}, True),
        ("Sentadilla", {"dolor_rodilla": 7}, True),
        ("Sentadilla", {"dolor_rodilla": "7/10"}, True),
        ("Sentadilla", {"lesiones": {"zona": "rodilla", "activa": True}}, True),
        ("Sentadilla", {"lesiones": "La rodilla no está bien"}, True),
        ("Sentadilla", {"lesiones": "No está bien la rodilla"}, True),
        ("Sentadilla", {"lesiones": "La rodilla está bien, pero duele al correr"}, True),
        ("Peso muerto", {"lesiones": "Cadera"}, True),
        ("Sentadilla", {"hip_pain": "yes"}, True),
        ("Puente de glúteos", {"lesiones": "rodilla"}, False),
        ("Estiramiento de cuádriceps", {"lesiones": "rodilla"}, False),
        ("Sentadilla", {"dolor_rodilla": 0}, False),
        ("Sentadilla", {"lesiones": 2}, False),
        ("Sentadilla", {"lesiones": "No puedo decir que me duela la rodilla"}, False),
        ("Sentadilla", {"lesiones": "La rodilla está bien"}, False),
        ("Sentadilla", {"lesiones": "La rodilla está bien, pero el hombro duele"}, False),
        ("Sentadilla", {"lesiones": {"zona": "rodilla", "activa": False}}, False),
        ("Sentadilla", {"lesiones": [{"zona": "rodilla", "activa": "No"}, "hombro"]}, False),
        ("Sentadilla", {"lesiones": "Ninguna"}, False),
        ("Sentadilla", {"lesiones": "No en la rodilla"}, False),
        ("Sentadilla", {"lesiones": "Operado de la rodilla en 2010"}, False),
        ("Sentadilla", {"lesiones": "Me dolía la rodilla, ya no"}, False),
        ("Sentadilla", {"lesiones_pasadas": "Rodilla"}, False),
        ("Sentadilla", {"dolor_rodilla": "No"}, False),
        ("Sentadilla", {"dolor_rodilla": False}, False),
        ("Sentadilla", {"objetivo": "Fortalecer la rodilla"}, False),
        ("Peso muerto", {"injuries": "upper back"}, False),
        *(
            ("Sentadilla", {"lesiones": f"no {able} cargar la rodilla"}, True)
            for able in ("puedo", "puede", "soporto", "tolero", "aguanto", "able to")
        ),
        # Questions of real forms.
        ("Peso muerto", {"problemas_musculares": "contractura lumbar"}, True),
        ("Peso muerto", {"hernias_protusiones": "Sí"}, True),
        ("Peso muerto", {"hernias_protusiones": "L5-S1"}, True),
        ("Peso muerto", {"hernias_protusiones": "No"}, False),
        ("Peso muerto", {"hernias_protusiones": "hernia inguinal"}, False),
        ("Peso muerto", {"artrosis": "en las caderas"}, True),
        ("Peso muerto", {"artrosis": "No"}, False),
        ("Peso muerto", {"lesiones_actuales_o_pasadas": "lumbares"}, True),
        ("Peso muerto", {"objetivos_de_salud": "mejorar la espalda"}, False),
    ],
)
def test_load_on_current_injury_gives_a_finding(
    name: str, answers: dict[str, Any], is_found: bool
) -> None:
    codes = findings_of(program_named(name), athlete(answers))
    assert (("warning", "injury_loaded", f"{EXERCISE}.name") in codes) is is_found


@pytest.mark.parametrize(
    ("answers", "is_known"),
    [
        # The later answer has another subject, or is unclear.
        ([{"lesiones": "Rodilla derecha"}, {"dolor_hombro": False}], True),
        ([{"lesiones": "Rodilla derecha"}, {"molestias_esta_semana": "ninguna"}], True),
        ([{"lesiones": "Rodilla derecha"}, {"lesiones_nuevas": "hombro"}], True),
        ([{"lesiones": "Rodilla derecha"}, {"lesiones": "Igual que antes"}], True),
        ([{"lesiones": "Rodilla derecha"}, {"lesiones": ""}], True),
        ([{"lesiones": "Rodilla derecha"}, {"lesiones": "Ver el informe"}], True),
        ([{"lesiones": "Rodilla derecha"}, {"lesiones": "No sé"}], True),
        ([{"lesiones": "Rodilla derecha"}, {"lesiones": "No ha mejorado"}], True),
        ([{"lesiones": "Rodilla derecha"}, {"lesiones": "Sin cambios"}], True),
        ([{"lesiones": "Rodilla derecha"}, {"injuries": "no changes"}], True),
        ([{"lesiones": "Rodilla derecha"}, {"lesiones": "No muy bien"}], True),
        ([{"lesiones": "rodilla"}, {"lesiones": "Me operé el hombro hace dos años"}], True),
        ([{"lesiones": "rodilla"}, {"lesiones": "Hace mucho que no voy al médico"}], True),
        ([{"lesiones": "rodilla"}, {"lesiones": "Me dolía la rodilla, ya no"}], False),
        ([{"dolor_rodilla": 6}, {"dolor_rodilla": "igual"}], True),
        ([{"dolor_rodilla": True, "lesiones": "ninguna"}], True),
        ([{"lesiones": "rodilla", "dolor_rodilla": False}], True),
        ([{"lesiones": "ninguna"}, {"dolor_rodilla": True}], True),
        # The later answer is to the same question, the general question, or about the joint.
        ([{"lesiones": "Rodilla derecha"}, {"Lesiones": "Ninguna"}], False),
        ([{"lesiones": "Rodilla derecha"}, {"lesiones": False}], False),
        ([{"lesiones": "Rodilla derecha"}, {"lesiones": "hombro"}], False),
        ([{"lesiones": "Rodilla derecha"}, {"lesiones": "La rodilla está bien"}], False),
        ([{"lesiones": "Rodilla derecha"}, {"injuries": "none"}], False),
        ([{"lesiones": "Rodilla derecha"}, {"lesiones": "No tengo ninguna lesión"}], False),
        ([{"lesiones": "Rodilla derecha"}, {"lesiones": "Nada, todo bien"}], False),
        ([{"lesiones": "Rodilla derecha"}, {"lesiones": "Ya curada"}], False),
        ([{"lesiones": "rodilla"}, {"lesiones": {"zona": "rodilla", "activa": False}}], False),
        ([{"lesiones": "Rodilla derecha"}, {"dolor_rodilla": "no"}], False),
        ([{"lesiones": "Rodilla derecha"}, {"dolor_rodilla": 0}], False),
        ([{"dolor_rodilla": True}, {"lesiones_actuales": "ninguna"}], False),
        ([{"molestias_esta_semana": "rodilla"}, {"molestias_esta_semana": "ninguna"}], False),
    ],
)
def test_injury_lasts_until_next_answer(answers: list[dict[str, Any]], is_known: bool) -> None:
    codes = [code for _, code, _ in findings_of(program_named("Sentadilla"), athlete(*answers))]
    assert ("injury_loaded" in codes) is is_known


@pytest.mark.parametrize("newer", [["igual", "sí"], ["sí", "igual"]])
def test_unchanged_injury_stays_beside_a_yes(newer: list[str]) -> None:
    older = {"source": "initial", "payload": {"dolor_rodilla": "rodilla y cadera"}}
    follow_up = {"source": "follow_up", "payload": {"dolor_rodilla": newer}}
    profile = {"user_id": "athlete-1"}
    data = {"user_profile": profile, "questionnaires": [older, follow_up]}
    assert read_athlete(EDN360Input.model_validate(data)).injuries == {"knee", "hip"}
