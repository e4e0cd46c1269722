"""The words by which questionnaires and exercises are known, in Spanish and English.

They are written as they are compared: small letters, no accents, no signs.
"""

from __future__ import annotations

from collections.abc import Mapping


def _words(row: str) -> frozenset[str]:
    return frozenset(row.split())


def _by_phrase(phrases: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """Turn "kind kind" → "phrase, phrase" into phrase → kinds."""
    return {
        phrase: frozenset(kinds.split())
        for kinds, row in phrases.items()
        for phrase in row.split(", ")
    }


# --- answers ------------------------------------------------------------------------------------

NEGATIONS = _words(
    "no not none nothing never don dont doesn without false sin ni nada ningun ninguna ninguno "
    "nunca"
)
"""Deny what follows, up to the end of the clause or a word of ``CONTRARY``."""

CONTRARY = _words("con with si yes solo solamente only just")

ABLE = _words("puedo puede soporto tolero aguanto able")
"""Denied, they deny nothing: "no puedo doblar la rodilla" is a knee."""

SAYING = _words("decir say")
"""After ``ABLE``, deny again: "no puedo decir que me duela la rodilla"."""

AFFIRMATIONS = _words(
    "si yes true a veces menudo siempre leve leves moderado moderada fuerte sometimes often "
    "always mild moderate"
)

PAST = _words(
    "pasada pasadas pasado pasados previa previas previo anterior anteriores antes antigua "
    "antiguas historial hace ya curada curado recuperada recuperado superada superado operada "
    "operado operacion operaciones familia past previous former old history ago used was were had "
    "healed recovered fixed surgery family"
)
"""Make an injury one that may be over."""

UNCHANGED = _words(
    "igual mismo misma mismos mismas sigo sigue siguen todavia aun same still unchanged know "
    "sure seguro segura"
)
"""Say that an earlier answer holds, or may hold."""

ACTIVE = _words("activa activo active actual current vigente")
"""Where an injury has one of these and it is false, the injury is over."""

WELL = _words("bien perfecta perfecto perfectas perfectos sana sano sanas sanos ok okay fine well")

BEING = _words(
    "esta estan estoy es son ahora muy todo la el las los mi mis y derecha derecho izquierda "
    "izquierdo is are now all my the and left right feels feel i am totalmente perfectamente "
    "completely"
)
"""Stand around one of ``WELL`` without taking anything back."""

DENYING = _words(
    "tengo tiene hay de en del por que momento actualmente hoy zona me duele duela duelen molesta "
    "siento i have any at moment today of in t area"
)
"""Stand in an answer that nothing hurts, without taking anything back."""

WEEKDAYS = _words(
    "lunes martes miercoles jueves viernes sabado domingo monday tuesday wednesday thursday "
    "friday saturday sunday"
)

# --- equipment ----------------------------------------------------------------------------------

EQUIPMENT = _by_phrase(
    {
        "barbell dumbbells kettlebell bands machines pull_up_bar": "gym, gyms, gimnasio, "
        "gimnasios, box, crossfit, completo, completa, full",
        "barbell": "barbell, barbells, barra olimpica, rack, disco, discos, plates",
        "barbell pull_up_bar": "barra, barras",  # it may be either bar
        "dumbbells": "dumbbell, dumbbells, mancuerna, mancuernas",
        "kettlebell": "kettlebell, kettlebells, pesa rusa, pesas rusas",
        "barbell dumbbells kettlebell": "pesas, weights",
        "bands": "band, bands, banda, bandas, goma, gomas, elastico, elasticos",
        "machines": "machine, machines, maquina, maquinas, cable, cables, polea, poleas, "
        "multipower",
        "pull_up_bar": "pull up bar, chin up bar, barra de dominadas, barra dominadas, barra fija, "
        "calistenia, calisthenics, parque, park",  # where there is something to hang from
        "": "bodyweight, body weight, peso corporal, propio peso",
    }
)
"""What an athlete has."""

ACCESSORIES = _words(
    "esterilla colchoneta yoga mat silla chair banco bench comba rope foam roller fitball step trx"
)
"""What none of the exercises below needs."""

OWNING = _words(
    "tengo tiene hay un una unos unas el la los las de del en y e mi mis para o casa entreno "
    "material equipamiento ajustable ajustables elastica elasticas resistencia i have has there "
    "is are the an and at in my of some any t or par pair kg kilos home train training equipment "
    "adjustable resistance"
)
"""Says nothing about which equipment there is."""

NEEDED_EQUIPMENT = _by_phrase(
    {
        "barbell": "barbell, barra olimpica, barra z, ez bar, trap bar, landmine",
        "barbell pull_up_bar": "barra",
        "dumbbells": "dumbbell, dumbbells, mancuerna, mancuernas",
        "kettlebell": "kettlebell, kettlebells, pesa rusa, pesas rusas",
        "machines": "machine, maquina, polea, poleas, cable, cables, multipower, leg press, "
        "prensa de piernas",
        "bands": "resistance band, resistance bands, banda elastica, bandas elasticas, con banda, "
        "con bandas, con goma, con gomas, miniband, mini band",
        "pull_up_bar": "pull up bar, barra de dominadas, barra fija",
        "pull_up_bar machines": "pull up, pull ups, pullup, pullups, chin up, chin ups, chinup, "
        "chinups, dominada, dominadas",
        "machines bands": "pulldown, pulldowns, jalon, jalones",
    }
)
"""What an exercise can't be done without, by its name; one of the kinds will do."""

OPEN_NAMES = _words("o or u sin without no bodyweight corporal")
"""A name with one of these leaves open what is needed."""

# --- injuries -----------------------------------------------------------------------------------

JOINTS = _by_phrase(
    {
        "knee": "knee, knees, meniscus, acl, rodilla, rodillas, menisco, lca",
        "shoulder": "shoulder, shoulders, rotator cuff, hombro, hombros, manguito",
        "lower_back": "lower back, back pain, bad back, sore back, my back, sciatica, herniated "
        "disc, espalda, espalda baja, lumbar, lumbares, lumbalgia, hernia discal, ciatica",
        "wrist": "wrist, wrists, carpal tunnel, muneca, munecas, tunel carpiano",
        "ankle": "ankle, ankles, achilles, tobillo, tobillos, aquiles",
        "elbow": "elbow, elbows, codo, codos, epicondilitis",
        "neck": "neck, cuello, cervical, cervicales",
        "hip": "hip, hips, cadera, caderas",
        "": "upper back, espalda alta",
    }
)

LOADED_JOINTS = _by_phrase(
    {
        "knee": "leg extension, leg extensions, extension de cuadriceps, extensiones de cuadriceps",
        "knee hip": "squat, squats, sentadilla, sentadillas, lunge, lunges, zancada, zancadas, "
        "desplante, desplantes, leg press, prensa de piernas, prensa inclinada, prensa 45, "
        "step up, step ups",
        "hip": "hip thrust, hip thrusts",
        "knee ankle hip": "jump, jumps, salto, saltos, box jump, box jumps, sprint, sprints",
        "knee ankle wrist": "burpee, burpees",
        "knee hip lower_back": "back squat, sentadilla trasera, sentadilla con barra, "
        "sentadilla barra",
        "lower_back hip": "deadlift, deadlifts, peso muerto, good morning, buenos dias, swing, "
        "swings",
        "lower_back": "bent over row, barbell row, remo con barra",
        "shoulder": "overhead press, military press, press militar, shoulder press, push press, "
        "press de hombro, press de hombros, arnold press, upright row, remo al menton, "
        "remo vertical, elevacion lateral, elevaciones laterales, lateral raise, lateral raises, "
        "snatch, arrancada",
        "shoulder elbow": "dip, dips, fondos",
        "wrist": "push up, push ups, pushup, pushups, flexiones",
        "elbow": "skull crusher, skull crushers, french press, press frances",
        "neck": "behind the neck press, press tras nuca, shrug, shrugs, encogimientos",
    }
)
"""The joints that an exercise loads, by its name: what any coach would say, and not complete."""
