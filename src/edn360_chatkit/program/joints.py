"""The joints that an exercise loads, by its name in Spanish or English.

``joints.json`` states what any coach would say: joints, and names of exercises. A name matches if
it has all words of an entry, in any order, and none with a ``-``; so a catalogue's spelling
("press hombros sentado barra") needs no entry of its own.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources

from .vocabulary import words_of

_NO_LOAD = frozenset(
    words_of("estiramiento estirar stretch stretching movilidad mobility foam roller masaje")
)
"""A name with one of these is of an exercise without load."""


@cache
def _rules() -> list[tuple[frozenset[str], frozenset[str], frozenset[str]]]:
    """The words that a name needs, those that it must not have, and the joints."""
    table: dict[str, list[str]] = json.loads(
        resources.files("edn360_chatkit.program").joinpath("joints.json").read_text("utf-8")
    )
    return [
        (
            frozenset(words_of(" ".join(w for w in name.split() if w[0] != "-"))),
            frozenset(words_of(" ".join(w for w in name.split() if w[0] == "-"))),
            frozenset(joints.split()),
        )
        for joints, names in table.items()
        for name in names
    ]


def loaded_joints(name: str) -> frozenset[str]:
    """The joints that an exercise loads; empty if its name is not known."""
    words = frozenset(words_of(name))
    if words & _NO_LOAD:
        return frozenset()
    loads = (joints for needed, other, joints in _rules() if needed <= words and not other & words)
    return frozenset[str]().union(*loads)
