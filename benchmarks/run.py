"""All figures of docs/performance.md: `make bench`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import batch, flights, imports, packages, polls, streams, validation


def main() -> int:
    kept = True
    for module in (imports, polls, flights, streams, validation, packages, batch):
        print(f"\n{module.__name__}")
        kept &= module.main()
    print("\nAll figures are kept." if kept else "\nA figure is missed.")
    return not kept


if __name__ == "__main__":
    sys.exit(main())
