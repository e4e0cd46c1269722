"""The joints that an exercise loads, by its name in Spanish or English.

The table states what any coach would say. Names are compared word by word in any order, so that a
catalogue's spelling ("press hombros sentado barra") needs no row of its own.
"""

from __future__ import annotations

from .vocabulary import words_of

# Joints: names, with commas between them. A name needs all of its words; "-" excludes a word.
_NAMES_BY_JOINTS = {
    "knee hip": "sentadilla, squat, zancada, lunge, desplante, estocada, tijera -abdominal, "
    "bulgara, bulgarian, leg press -calf, press pierna -gemelo, jaca, hack, step up, step down, "
    "step cajon, step banco, stepup, subida cajon, subida banco, subida escalon, pistol, goblet, "
    "prensa -hombro -pecho -banca -militar -gemelo -talon -pantorrilla -soleo, cossack, curtsy, "
    "thruster, wall ball, trineo, sled, duck walk",
    "knee": "cuadricep, quadricep, extension pierna -gluteo -cadera, extension rodilla, "
    "leg extension, quad extension, sissy, wall sit, nordico, nordic",
    "knee ankle": "sprint, carrera, correr, running, trote, skipping, comba, jump rope, "
    "saltar cuerda, double under, skater, patinador, pliometrico, pliometria, plyometric",
    "knee hip ankle": "salto -comba -cuerda, jump -rope",
    "knee hip ankle wrist shoulder": "burpee",
    "ankle": "gemelo, calf, pantorrilla, talon, heel raise, toe raise, puntillas, soleo, pistol, "
    "tibial, tibialis",
    "hip": "hip thrust, empuje cadera, pull through",
    "hip lower_back": "peso muerto, deadlift, rumano, romanian, rdl, pierna rigida, stiff leg, "
    "good morning, buenos dias, swing, clean, cargada, snatch, arrancada, rack pull, jefferson, "
    "bisagra cadera",
    "lower_back": "sentadilla barra, sentadilla trasera, sentadilla frontal, sentadilla libre, "
    "squat barbell, back squat, front squat, bar squat, zancada barra, desplante barra, "
    "estocada barra, lunge barbell, bulgara barra, bulgarian barbell, step barbell, subida barra, "
    "remo barra -invertido -polea -maquina -apoyado -pecho -vertical -menton, remo t, pendlay, "
    "yates, barbell row -inverted, bar row -inverted, bent over, hiperextension, hyperextension, "
    "remo inclinado -banco -apoyado -pecho -maquina, hyper extension, extension lumbar, "
    "lumbar extension, back extension, superman, russian twist, giro ruso, giro tronco, "
    "rotacion tronco, sit up, situp, v up, toes to bar, leg raise -side -lateral, "
    "elevacion pierna -lateral -cadera -cuadrupedia",
    "shoulder": "press -pierna -leg -pallof -frances -french -gemelo -calf -cadera -down -tricep, "
    "press banca, bench press, overhead -tricep -extension, sobre cabeza -tricep -extension, "
    "arnold, remo vertical, upright row, menton, high pull, elevacion lateral -pierna -cadera, "
    "lateral raise -leg, vuelo lateral, elevacion frontal -pierna, front raise -leg, "
    "elevacion hombro, snatch, arrancada, nuca -tricep -extension, trasnuca -tricep, behind neck, "
    "thruster, jerk, envion, turkish, turco, windmill, handstand, pino, pike, "
    "apertura -invertida -inversa -posterior -cadera, fly -reverse -rear, flye -reverse -rear, "
    "cruce polea, crossover, contractora -inversa -invertida, pullover, pull over, dominada, "
    "pec deck -reverse -pajaro, peck deck -reverse -pajaro, pull up, pullup, chin up, chinup, "
    "muscle up, prensa hombro, prensa militar, prensa pecho",
    "shoulder elbow wrist": "dip -hip, fondo",
    "shoulder wrist": "push up, pushup, lagartija, inchworm, flexion -pierna -rodilla -femoral "
    "-cadera -tronco -cuello -neck -muneca -nordica -isquio -isquiotibial -cervical -lateral "
    "-plantar -dorsal -hip -knee -leg -trunk -codo",
    "wrist": "handstand, pino, mountain climber, escalador, bear crawl, crab walk, cangrejo, oso, "
    "wrist, muneca, antebrazo -plancha, high plank, plancha alta, front squat, sentadilla frontal, "
    "clean, cargada, snatch, arrancada, muscle up",
    "elbow": "tricep, pushdown, press down, skull crusher, skullcrusher, french press, "
    "press frances, rompecraneo, extension nuca, extension cabeza, kickback -glute -leg, "
    "bicep -femoral, martillo, predicador, scott, close grip press, press cerrado, chin up, chinup, "
    "pull up, pullup, dominada, muscle up, curl -femoral -leg -pierna -isquio -isquiotibial "
    "-hamstring -nordic -nordico -jefferson -wrist -muneca -cuello -neck -abdominal",
    "neck": "nuca -tricep -extension, trasnuca -tricep, behind neck, neck curl, neck extension, "
    "neck flexion, shrug, headstand, encogimiento -abdominal -abdomen, curl cuello, "
    "flexion cuello, extension cuello",
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
