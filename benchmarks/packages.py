"""How many packages `pip install` of the wheel brings besides itself, in an empty environment.

python -m benchmarks.packages
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> bool:
    with tempfile.TemporaryDirectory() as place:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
        wheel_folder = Path(place) / "wheel"
        command = [*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(wheel_folder)]
        subprocess.run([*command, str(ROOT)], check=True)
        (wheel,) = wheel_folder.glob("*.whl")
        environment = Path(place) / "environment"
        venv.create(environment)
        target = ["--python", str(environment / "bin" / "python")]
        subprocess.run([*pip, *target, "install", "--quiet", str(wheel)], check=True)
        listed = subprocess.run(
            [*pip, *target, "list", "--format", "json"], check=True, capture_output=True, text=True
        )
    others = [p["name"] for p in json.loads(listed.stdout) if p["name"] != "edn360-chatkit"]
    version = ".".join(map(str, sys.version_info[:2]))
    print(f"on Python {version}: {', '.join(others)}")
    print(f"packages besides itself = {len(others)} (at most 14)")
    return len(others) <= 14


if __name__ == "__main__":
    sys.exit(not main())
