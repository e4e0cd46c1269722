"""``python -m edn360_chatkit`` is the command ``edn360-chatkit``."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
