"""An exercise and the equipment that the athlete has."""

from __future__ import annotations

from typing import Any

import pytest

from .good import EXERCISE, athlete, findings_of, program_named


@pytest.mark.parametrize(
    ("name", "answers", "is_found"),
    [
        ("Barbell back squat", {"equipment": "bodyweight only"}, True),
        ("Press de banca con barra", {"equipamiento": "Ninguno"}, True),
        ("Press de banca con barra", {"equipamiento_en_casa": "Nada", "lugar": "Casa"}, True),
        ("Press de banca con barra", {"equipamiento": ["mancuernas", "esterilla"]}, True),
        ("Press de banca con barra", {"material": "Mancuernas de 10 kg y gomas"}, True),
        ("Barbell row", {"equipment": {"gym": False, "dumbbells": True}}, True),
        ("Jalón en polea", {"equipment": "I have a barbell, no machines"}, True),
        ("Dumbbell row", {"equipment": "I don't have a barbell or dumbbells"}, True),
        ("Dominadas", {"equipamiento": "Mancuernas y gomas"}, True),
        ("Jalón al pecho", {"equipamiento": "Mancuernas"}, True),
        ("Pull-up", {"equipment": "dumbbells"}, True),
        ("Chin-up", {"equipment": "dumbbells"}, True),
        ("Chin-ups", {"equipment": "dumbbells"}, True),
        ("Dominada supina", {"equipamiento": "mancuernas"}, True),
        # The athlete has the equipment, or may have it.
        ("Pull-up", {"equipment": "pull-up bar"}, False),
        ("Pull-up", {"equipment": "none", "place": "the park", "location": "park"}, False),
        ("Jalón al pecho", {"equipamiento": "Máquinas"}, False),
        ("Dominadas", {"equipamiento": "Barra"}, False),
        ("Dominadas", {"equipamiento": "Ninguno", "lugar": "En el parque"}, False),
        ("Pull-ups", {"equipment": "calisthenics"}, False),
        ("Dominadas asistidas en máquina", {"equipamiento": "Máquinas"}, False),
        ("Jalón al pecho con goma", {"equipamiento": "Gomas"}, False),
        ("Press de banca con barra", {"equipamiento": "Ninguno, no puedo ir al gimnasio"}, False),
        ("Press de banca con barra", {"equipamiento": "Barra y discos"}, False),
        ("Press de banca con barra", {"equipamiento": "Sin mancuernas y con barra"}, False),
        ("Press de banca con barra", {"equipamiento": "Lo básico de casa"}, False),
        ("Press de banca con barra", {"equipamiento": "Mancuernas, bandas y algo más"}, False),
        ("Press de banca con barra", {"equipamiento": ""}, False),
        ("Press de banca con barra", {"equipamiento": "Sí"}, False),
        ("Press de banca con barra", {"equipamiento": {"barra": None, "bandas": True}}, False),
        ("Press de banca con barra", {"equipamiento": "Ninguno", "lugar": "Gimnasio"}, False),
        ("Press de banca con barra", {"acceso_gimnasio": False}, False),
        ("Press de banca con barra", {"equipamiento_deseado": "Ninguno"}, False),
        # The exercise does not need the equipment, or allows another.
        ("Remo en barra de dominadas", {"equipamiento": "Barra de dominadas"}, False),
        ("Remo invertido en barra", {"equipamiento": "Barra de dominadas"}, False),
        ("Sentadilla sin barra", {"equipamiento": "Ninguno"}, False),
        ("Sentadilla con barra o mochila", {"equipamiento": "Ninguno"}, False),
        ("Barbell/backpack squat", {"equipment": "none"}, False),
        ("Barracuda", {"equipment": "none"}, False),
        # A gym counts beside what is at home.
        ("Press de banca con barra", {"gimnasio": "Sí", "material_casa": "Nada"}, False),
        (
            "Press de banca con barra",
            {"gimnasio": "El de mi barrio", "equipamiento_casa": "ninguno"},
            False,
        ),
        (
            "Press de banca con barra",
            {"acceso_gimnasio": "Sí, comercial", "equipamiento": "Nada"},
            False,
        ),
        ("Press de banca con barra", {"entrenas_en": "gimnasio", "material_casa": "Nada"}, False),
        ("Press de banca con barra", {"gym_access": "full", "equipment_at_home": "none"}, False),
        ("Press de banca con barra", {"gimnasio": "No", "material_casa": "Nada"}, True),
        ("Press de banca con barra", {"gimnasio": False, "material_casa": "gomas"}, True),
        ("Jalón al pecho barra ancha", {"equipamiento": "Máquinas"}, False),
        ("Sentadilla con barra en multipower", {"equipamiento": "Máquinas"}, False),
        ("Fondos en barras paralelas", {"equipamiento": "Mancuernas"}, False),
        ("Remo en barra T", {"equipamiento": "Máquinas"}, False),
        ("Remo con barra", {"equipamiento": "Máquinas"}, True),
    ],
)
def test_missing_equipment_gives_a_finding(
    name: str, answers: dict[str, Any], is_found: bool
) -> None:
    # Another exercise of the good program needs a dumbbell, so only this path is compared.
    program = program_named(name)
    codes = [(code, path) for _, code, path in findings_of(program, athlete(answers))]
    assert (("equipment_missing", f"{EXERCISE}.name") in codes) is is_found


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Press con barra", "una barra"),
        ("Dominadas", "una barra de dominadas"),
        ("Prensa de piernas", "máquinas o poleas"),
        ("Jalón al pecho", "una polea o bandas elásticas"),
        ("Remo con bandas", "bandas elásticas"),
        ("Remo con mancuernas", "mancuernas"),
        ("Kettlebell swing", "una pesa rusa"),
    ],
)
def test_finding_names_missing_equipment(name: str, kind: str) -> None:
    findings = program_named(name).check(athlete({"equipamiento": "Ninguno"}))
    says = [f.es for f in findings if f.code == "equipment_missing" and f.path.startswith(EXERCISE)]
    assert says == [f"«{name}» requiere {kind} y el atleta no lo tiene."]
