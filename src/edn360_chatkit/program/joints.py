"""The joints that an exercise loads, by its name in Spanish or English.

The table states what any coach would say. Names are compared word by word in any order, so that a
catalogue's spelling ("press hombros sentado barra") needs no row of its own.
"""

from __future__ import annotations

from .vocabulary import words_of

# Joints: names, with commas between them. A name needs all of its words; "-" excludes a word.
_NAMES_BY_JOINTS = {
    "knee hip": "sentadilla, squat, zancada, lunge, desplante, estocada, tijera -abdominal, "
    "bulgara, bulgarian, leg press -calf, press pierna -gemelo, jaca, hack, step up, stepup, "
    "prensa -hombro -pecho -banca -militar -gemelo -talon -pantorrilla -soleo, subida cajon, "
    "subida banco, subida escalon, pistol, goblet, cossack, curtsy, thruster, wall ball, trineo, "
    "sled, duck walk",
    "knee": "extension cuadricep -estiramiento, extension pierna -gluteo -cadera, "
    "extension rodilla, leg extension, sissy, wall sit, nordico, nordic",
    "knee ankle": "sprint, carrera, correr, running, trote, skipping, comba, jump rope, "
    "saltar cuerda, double under, skater, patinador, pliometrico, pliometria, plyometric",
    "knee hip ankle": "salto -comba -cuerda, jump -rope",
    "knee hip ankle wrist shoulder": "burpee",
    "ankle": "gemelo, calf, pantorrilla, talon, soleo, pistol, tibial, tibialis",
    "hip": "hip thrust, empuje cadera, pull through",
    "hip lower_back": "peso muerto, deadlift, rdl, good morning, buenos dias, swing, clean, "
    "cargada, snatch, arrancada, rack pull, jefferson",
    "lower_back": "sentadilla barra, sentadilla trasera, sentadilla frontal, squat barbell, "
    "back squat, front squat, high bar squat, low bar squat, zancada barra, desplante barra, "
    "lunge barbell, bulgara barra, bulgarian barbell, step up barbell, subida barra, "
    "remo barra -invertido -polea -maquina -apoyado -pecho -vertical -menton, barbell row -inverted, pendlay, yates, "
    "bar row -inverted, bent over, remo inclinado -banco -apoyado -pecho -maquina, hiperextension, "
    "hyperextension, extension lumbar, lumbar extension, back extension, superman, russian twist, "
    "giro ruso, sit up, situp, elevacion pierna -lateral -cadera -cuadrupedia, "
    "leg raise -side -lateral",
    "shoulder": "press -pierna -leg -pallof -frances -french -gemelo -calf -cadera -down -tricep, "
    "press banca, bench press, overhead -tricep -extension, sobre cabeza -tricep -extension, "
    "arnold, remo vertical, upright row, menton, high pull, elevacion lateral -pierna -cadera, "
    "lateral raise -leg, vuelo lateral, elevacion frontal -pierna, front raise -leg, "
    "elevacion hombro, snatch, arrancada, nuca -tricep, behind neck, thruster, jerk, envion, turkish, "
    "turco, windmill, handstand, pino, pike, apertura -invertida -inversa -posterior -cadera, "
    "fly -reverse -rear, flye -reverse -rear, cruce polea, crossover, pec deck, pecdeck, "
    "contractora, pullover, pull over, dominada, pull up, pullup, chin up, chinup, muscle up, "
    "prensa hombro, prensa militar, prensa pecho",
    "shoulder elbow wrist": "dip -hip, fondo",
    "shoulder wrist": "push up, pushup, lagartija, flexion -pierna -rodilla -femoral -cadera "
    "-tronco -cuello -neck -muneca -nordica -isquio -isquiotibial -cervical",
    "wrist": "handstand, pino, mountain climber, escalador, bear crawl, oso, wrist, muneca, "
    "antebrazo -plancha, high plank, plancha alta, front squat, sentadilla frontal, clean, "
    "cargada, snatch, arrancada, muscle up",
    "elbow": "tricep, pushdown, press down, skull crusher, skullcrusher, french press, "
    "press frances, rompecraneo, kickback -glute -leg, bicep -femoral, close grip press, "
    "press cerrado, chin up, chinup, pull up, pullup, dominada, muscle up, "
    "curl -femoral -leg -pierna -isquio -isquiotibial -hamstring -nordic -nordico -jefferson "
    "-wrist -muneca -cuello -neck -abdominal",
    "neck": "nuca -tricep, behind neck, neck curl, neck extension, neck flexion, shrug, headstand, "
    "encogimiento -abdominal -abdomen, curl cuello, flexion cuello, extension cuello",
}

_NO_LOAD = frozenset(
    words_of("estiramiento estirar stretch stretching movilidad mobility foam roller masaje")
)
"""A name with one of these is of an exercise without load."""


def _rules() -> list[tuple[frozenset[str], frozenset[str], frozenset[str]]]:
    rules: list[tuple[frozenset[str], frozenset[str], frozenset[str]]] = []
    for joints, names in _NAMES_BY_JOINTS.items():
        for name in names.split(", "):
            excluded = {word for word in name.split() if word.startswith("-")}
            needed = " ".join(word for word in name.split() if word not in excluded)
            rules.append(
                (
                    frozenset(words_of(needed)),
                    frozenset(words_of(" ".join(excluded))),
                    frozenset(joints.split()),
                )
            )
    return rules


_RULES = _rules()


def loaded_joints(name: str) -> frozenset[str]:
    """The joints that an exercise loads; empty if its name is not known."""
    words = frozenset(words_of(name))
    if words & _NO_LOAD:
        return frozenset()
    loads = (joints for needed, other, joints in _RULES if needed <= words and not other & words)
    return frozenset[str]().union(*loads)
