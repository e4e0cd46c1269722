"""The reference of a run, in a file that exists until the program is delivered."""

import os
from contextlib import suppress
from pathlib import Path

from .. import InvalidInputError, RunReference
from .files import Destination, read_file

DIGEST = "input_sha256"  # a field of the file: the digest of the run's input


def is_json(run: str) -> bool:
    """Whether the argument RUN is the JSON text of a reference, and not the name of its file."""
    return run.lstrip().startswith("{") and not os.path.exists(run)


def read_reference(run: str) -> RunReference:
    """Read a reference from its file, from standard input, or from its JSON text."""
    return _parse(run) if is_json(run) else read_file(run, _parse)


def _parse(text: str) -> RunReference:
    try:
        return RunReference.model_validate_json(text)
    except ValueError:
        fault = "This is not the reference of a run, such as run writes to OUT.json.run."
        raise InvalidInputError(fault) from None


def is_sent(run: RunReference) -> bool:
    """Whether the server is known to have the message of the run."""
    return bool(run.message_id or run.thread_id)


class ReferenceFile:
    """The file of a run's reference. It also keeps a digest of the input."""

    def __init__(self, name: str, digest: str | None) -> None:
        self.name = name
        self._fields = {} if digest is None else {DIGEST: digest}

    def write(self, run: RunReference, *, is_new: bool) -> None:
        """Write the reference of a run; ``is_new`` is whether the file must not exist."""
        text = str(run.model_copy(update=self._fields))
        Destination(self.name).write(f"{text}\n", is_new=is_new)

    def remove(self, run: RunReference) -> None:
        """Remove the file, unless another command has written its own run into it."""
        with suppress(OSError, InvalidInputError):
            if read_reference(self.name).session_id == run.session_id:
                Path(self.name).unlink()
