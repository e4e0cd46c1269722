"""``python -m tests.fuzz`` lists the targets. With a target and options of libFuzzer, it fuzzes.

It needs atheris (the dependency group ``fuzz``) on Linux or macOS, and Python 3.11 or newer.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris  # pyright: ignore[reportMissingModuleSource]

with atheris.instrument_imports(  # pyright: ignore[reportAttributeAccessIssue]
    include=["edn360_chatkit"]
):
    from tests.fuzz.seeds import FRAGMENTS, SEEDS, to_bytes
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Fuzz a target until ``-max_total_time`` has passed or an input fails."""
    if len(sys.argv) == 1:
        print(*TARGETS)
        return
    target, *options = sys.argv[1:]
    with tempfile.TemporaryDirectory() as directory:
        corpus = Path(directory, "corpus")
        corpus.mkdir()
        for number, seed in enumerate(SEEDS[target]):
            (corpus / str(number)).write_bytes(to_bytes(seed))
        words = Path(directory, "words")
        words.write_text("".join(f'"{_escaped(to_bytes(word))}"\n' for word in set(FRAGMENTS)))
        arguments = [f"-dict={words}", "-timeout=20", "-max_len=20000", *options, str(corpus)]
        atheris.Setup([sys.argv[0], *arguments], TARGETS[target])
        atheris.Fuzz()


def _escaped(word: bytes) -> str:
    # libFuzzer accepts words of at most 64 bytes.
    return "".join(f"\\x{byte:02x}" for byte in word[:64])


main()
