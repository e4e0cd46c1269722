"""The words by which questionnaires and exercises are known, in Spanish and English.

They are compared in small letters, without accents, signs and plurals.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from .numbers import fold

_CAMEL_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORD = re.compile(r"[a-z]+|[0-9]+")
_PLURAL = re.compile(r"(?:(?<=[aeiou][lnr])|(?<=ss|ch|sh))es?$|(?<=[^s])s$")


def words_of(text: str) -> list[str]:
    """The words of a text, as they are compared."""
    text = fold(_CAMEL_HUMP.sub(" ", text).replace("_", " "))
    return [singular(word) for word in _WORD.findall(text)]


def singular(word: str) -> str:
    """A word without the ending of a plural, in both languages: also "machin", as "sesion"."""
    return _PLURAL.sub("", word)


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


_PLACEHOLDER = re.compile(
    r"^(?:unknown|desconocid[oa])$"
    r"|\b(?:(?:no|sin|not) (?:mapead[oa]|mapped|asignad[oa]|assigned|asignar|definir)"
    r"|(?:por|to be) (?:asignar|definir|assigned|defined)|unmapped|unassigned|tbd)\b"
)


def is_placeholder(text: str | None) -> bool:
    """Whether a text of the workflow stands for an exercise or muscle that is to be assigned."""
    return _PLACEHOLDER.search(fold(text or "").replace("_", " ")) is not None


# --- questions ------------------------------------------------------------------------------------

Question: TypeAlias = tuple[frozenset[str], ...]
"""A key is this question if it has a word of each set but the last, and all are in one of them."""

_FILLERS = (
    "por per a la el de del of for in en to at o u or y and each cada cuanto cuanta how many much "
    "numero number que what puede tiene dedicar do can you have spend"
)
_WEEK = "semana week weekly semanal"
_TRAINING = "training entrenamiento entrenar entreno train available disponible"
_INJURY = "lesion injury injuries"
_INJURIES = (
    f"{_INJURY} limitacion limitation dolor pain molestia discomfort problema problem issue "
    "articular articulacion joint muscular muscle restriccion restriction contraindicacion hernia "
    "protusion protrusion artrosis artritis arthritis tendinitis patologia pathology enfermedad "
    "salud health medico medica medical condition ache dolencia"
)
_NOW = "actual current currently any alguna algun"


def _question(*rows: str, also: str = "") -> Question:
    return (*map(_words, rows), _words(f"{also} {_FILLERS}"))


DAYS = (
    _question("dia day", f"{_WEEK} {_TRAINING}", also="sesion session"),
    _question("sesion session entrenamiento workout", _WEEK, also=_TRAINING),
    _question("frecuencia frequency", f"{_WEEK} {_TRAINING}"),
)
MINUTES = (
    _question(
        "session sesion",
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
    "machines": "machine, maquina, cable, polea, multipower, smith, leg press, prensa de piernas",
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
        "machines bands": "pulldown, jalon",
        "barbell machines": "barra t, t bar",
        "": "barra paralela",
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

HOME = _words("casa home")
GYM = _words("gym gimnasio")
TRAINING = _words(f"{_TRAINING} {_INJURY} sesion session ejercicio exercise") | GYM
"""Words of a questionnaire that asks about training, whatever its kind."""

MACHINES = _words("machine maquina cable polea multipower smith jalon pulldown pushdown")
"""The bar of one of these is no barbell."""

OPEN_NAMES = _words("o u or sin without no bodyweight corporal")
"""A name with one of these leaves open what is needed."""

# --- injuries -------------------------------------------------------------------------------------

PAST = _words(
    "pasada pasado previa previo anterior antes antigua historial hace ya curada curado "
    "recuperada recuperado superada superado operada operado operacion operaciones familia past "
    "previous former old history ago used was were had healed recovered fixed surgery family"
)
"""Make an injury one that may be over."""

GOALS = _words("objetivo goal meta motivo")
"""A question with one of these is about what the athlete wants."""

UNCHANGED = _words(
    "igual mismo misma sigo sigue siguen todavia aun same still unchanged know sure seguro segura"
)
"""Say that an earlier answer holds, or may hold."""

ACTIVE = _words("activa activo active actual current vigente")
"""Where an injury has one of these and it is false, the injury is over."""

WELL = _words("bien perfecta perfecto perfectas sana sano ok okay fine well")

JOINTS = _by_phrase(
    {
        "knee": "knee, meniscus, acl, patella, rodilla, menisco, lca, ligamento cruzado, rotula, "
        "rotuliano, condromalacia",
        "shoulder": "shoulder, rotator cuff, hombro, manguito, supraespinoso, subacromial",
        "lower_back": "lower back, low back, back pain, bad back, sore back, my back, sciatica, "
        "disc, espalda, espalda baja, lumbar, lumbalgia, lumbago, ciatica, hernia, hernia discal, "
        "protusion, protrusion, discopatia, l3, l4, l5, s1",
        "wrist": "wrist, carpal tunnel, muneca, tunel carpiano",
        "ankle": "ankle, achilles, tobillo, aquiles",
        "elbow": "elbow, codo, epicondilitis, epitrocleitis",
        "neck": "neck, cuello, cervical, cervicalgia, hernia cervical, protusion cervical, c4, c5, "
        "c6, c7",
        "hip": "hip, cadera, pubalgia",
        "": "upper back, espalda alta, hernia inguinal, hernia de hiato, hernia hiato, hernia "
        "umbilical",
    }
)

DENYING = _words(
    f"{_INJURIES} {_NOW} {_FILLERS} esta estan estoy es son ahora muy todo lo mi derecha derecho "
    "izquierda izquierdo is are now all the left right feel i am totalmente perfectamente "
    "completely tengo hay momento actualmente hoy zona me duele duela duelen "
    "molesta siento at moment today of in t area puedo puede decir can say"
).union(ACTIVE, NEGATIONS, WELL, " ".join(JOINTS).split())
"""The words of a clause that says that nothing hurts, and nothing else."""
