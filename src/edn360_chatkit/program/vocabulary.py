"""The words by which questionnaires and exercises are known, in Spanish and English.

They are written as they are compared: small letters, no accents, no signs, no ``s`` at the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from .numbers import fold

_CAMEL_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORD = re.compile(r"[a-z]+|[0-9]+")


def words_of(text: str) -> list[str]:
    """The words of a text, as they are compared."""
    text = fold(_CAMEL_HUMP.sub(" ", text).replace("_", " "))
    return [word.removesuffix("s") or word for word in _WORD.findall(text)]


def phrases_in(words: Sequence[str], phrases: Mapping[str, frozenset[str]]) -> Iterator[str]:
    """The phrases in a text, from left to right; of phrases that begin alike the longest."""
    place = 0
    while place < len(words):
        for length in (4, 3, 2, 1):
            phrase = " ".join(words[place : place + length])
            if phrase in phrases:
                yield phrase
                place += length - 1
                break
        place += 1


def _words(row: str) -> frozenset[str]:
    return frozenset(words_of(row))


def _by_phrase(phrases: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """Turn "kind kind" → "phrase, phrase" into phrase → kinds."""
    return {
        " ".join(words_of(phrase)): frozenset(kinds.split())
        for kinds, row in phrases.items()
        for phrase in row.split(", ")
    }


# --- questions ------------------------------------------------------------------------------------

Question: TypeAlias = tuple[frozenset[str], ...]
"""A key is this question if it has a word of each set but the last, and all are in one of them."""

_FILLERS = (
    "por per a la el de del of for in en to at o u or y and each cada cuanto cuanta how many much "
    "numero number que what puede tiene dedicar do can you have spend"
)
_WEEK = "semana week weekly semanal"
_TRAINING = "training entrenamiento entrenar entreno train available disponible"
_INJURY = "lesion lesione injury injurie"
_INJURIES = f"{_INJURY} limitacion limitacione limitation dolor dolore pain molestia discomfort"
_NOW = "actual actuale current currently any alguna algun"


def _question(*rows: str, also: str = "") -> Question:
    return (*map(_words, rows), _words(f"{also} {_FILLERS}"))


DAYS = (
    _question("dia day", f"{_WEEK} {_TRAINING}", also="sesione session"),
    _question("sesione session entrenamiento workout", _WEEK, also=_TRAINING),
)
MINUTES = (
    _question(
        "session sesion sesione",
        "duration duracion length minute minuto min time tiempo",
        also=f"workout {_TRAINING}",
    ),
    # Without "time": "training_time" may be a time of day, or that of a week.
    _question(f"workout {_TRAINING}", "duration duracion minute minuto", also="min"),
)
HAS_EQUIPMENT = _question("equipamiento equipment material", also=f"casa home {_TRAINING}")
PLACES = _words(
    "equipamiento equipment material equipo gym gimnasio lugar place donde where location sitio "
    "centro club casa home acceso access maquina machine barra barbell mancuerna dumbbell pesa"
)
INJURIES = _words(_INJURIES)
ALL_INJURIES = _question(_INJURY, also=f"{_INJURIES} {_NOW}")
TO_AVOID = _question("evitar avoid", "ejercicio exercise")

# --- answers --------------------------------------------------------------------------------------

NEGATIONS = _words(
    "no not none nothing never don dont doesn without false sin ni nada ningun ninguna ninguno "
    "nunca"
)
CONTRARY = _words("con with si yes solo solamente only just")
"""End what one of ``NEGATIONS`` denies."""

AFFIRMATIONS = _words(
    "si yes true a veces menudo siempre leve moderado moderada fuerte sometimes often always mild "
    "moderate"
)
WEEKDAYS = _words(
    "lunes martes miercoles jueves viernes sabado domingo monday tuesday wednesday thursday "
    "friday saturday sunday"
)

_ALL_EQUIPMENT = "barbell dumbbells kettlebell bands machines pull_up_bar"
_NAMED_EQUIPMENT = {
    "barbell": "barbell, barra olimpica, barra z, ez bar, trap bar, landmine",
    "barbell pull_up_bar": "barra",  # it may be either bar
    "dumbbells": "dumbbell, mancuerna",
    "kettlebell": "kettlebell, pesa rusa",
    "bands": "resistance band, banda elastica, con banda, con goma, miniband, mini band",
    "machines": "machine, maquina, cable, polea, multipower, leg press, prensa de piernas",
    "pull_up_bar": "pull up bar, chin up bar, barra de dominadas, barra dominadas, barra fija",
}

EQUIPMENT = _by_phrase(_NAMED_EQUIPMENT) | _by_phrase(
    {
        _ALL_EQUIPMENT: "gym, gimnasio, box, crossfit, completo, completa, full",
        "barbell": "rack, disco, plate",
        "barbell dumbbells kettlebell": "pesa, weight",
        "bands": "band, banda, goma, elastico",
        # Where there is something to hang from.
        "pull_up_bar": "calistenia, calisthenics, parque, park",
        "": "bodyweight, body weight, peso corporal, propio peso",
    }
)
"""What an athlete has."""

NEEDED_EQUIPMENT = _by_phrase(_NAMED_EQUIPMENT) | _by_phrase(
    {
        "pull_up_bar machines": "pull up, pullup, chin up, chinup, dominada",
        "machines bands": "pulldown, jalon, jalones",
    }
)
"""What an exercise can't be done without, by its name; one of the kinds will do."""

UNDERSTOOD = _words(
    "esterilla colchoneta yoga mat silla chair banco bench comba rope foam roller fitball step trx "
    "tengo tiene hay un una uno el la lo de del en y e mi para o casa entreno material "
    "equipamiento ajustable elastica resistencia i have ha there are the an and at in my of some "
    "any t or par pair kg kilo home train training equipment adjustable resistance"
).union(NEGATIONS, CONTRARY, AFFIRMATIONS, " ".join(EQUIPMENT).split())
"""Words of an answer about equipment that leave no doubt about it."""

OPEN_NAMES = _words("o u or sin without no bodyweight corporal")
"""A name with one of these leaves open what is needed."""

# --- injuries -------------------------------------------------------------------------------------

PAST = _words(
    "pasada pasado previa previo anterior anteriores antes antigua historial hace ya curada curado "
    "recuperada recuperado superada superado operada operado operacion operaciones familia past "
    "previous former old history ago used was were had healed recovered fixed surgery family"
)
"""Make an injury one that may be over."""

UNCHANGED = _words(
    "igual mismo misma sigo sigue siguen todavia aun same still unchanged know sure seguro segura"
)
"""Say that an earlier answer holds, or may hold."""

ACTIVE = _words("activa activo active actual current vigente")
"""Where an injury has one of these and it is false, the injury is over."""

WELL = _words("bien perfecta perfecto perfectas sana sano ok okay fine well")

JOINTS = _by_phrase(
    {
        "knee": "knee, meniscus, acl, rodilla, menisco, lca",
        "shoulder": "shoulder, rotator cuff, hombro, manguito",
        "lower_back": "lower back, back pain, bad back, sore back, my back, sciatica, herniated "
        "disc, espalda, espalda baja, lumbar, lumbares, lumbalgia, hernia discal, ciatica",
        "wrist": "wrist, carpal tunnel, muneca, tunel carpiano",
        "ankle": "ankle, achilles, tobillo, aquiles",
        "elbow": "elbow, codo, epicondilitis",
        "neck": "neck, cuello, cervical, cervicales",
        "hip": "hip, cadera",
        "": "upper back, espalda alta",
    }
)

DENYING = _words(
    f"{_INJURIES} {_NOW} {_FILLERS} esta estan estoy es son ahora muy todo lo mi derecha derecho "
    "izquierda izquierdo is are now all the left right feel i am totalmente perfectamente "
    "completely tengo hay momento actualmente hoy zona me duele duela duelen "
    "molesta siento at moment today of in t area puedo puede decir can say"
).union(ACTIVE, NEGATIONS, WELL, " ".join(JOINTS).split())
"""The words of a clause that says that nothing hurts, and nothing else."""

LOADED_JOINTS = _by_phrase(
    {
        "knee": "leg extension, extension de cuadriceps, extensiones de cuadriceps",
        "knee hip": "squat, sentadilla, lunge, zancada, desplante, desplantes, leg press, "
        "prensa de piernas, prensa inclinada, prensa 45, step up",
        "hip": "hip thrust",
        "knee ankle hip": "jump, salto, box jump, sprint",
        "knee ankle wrist": "burpee",
        "knee hip lower_back": "back squat, sentadilla trasera, sentadilla con barra, "
        "sentadilla barra",
        "lower_back hip": "deadlift, peso muerto, good morning, buenos dias, swing",
        "lower_back": "bent over row, barbell row, remo con barra",
        "shoulder": "overhead press, military press, press militar, shoulder press, push press, "
        "press de hombro, arnold press, upright row, remo al menton, remo vertical, "
        "elevacion lateral, elevaciones laterales, lateral raise, snatch, arrancada",
        "shoulder elbow": "dip, fondo",
        "wrist": "push up, pushup, flexiones",
        "elbow": "skull crusher, french press, press frances",
        "neck": "behind the neck press, press tras nuca, shrug, encogimiento",
    }
)
"""The joints that an exercise loads, by its name: what any coach would say, and not complete."""
