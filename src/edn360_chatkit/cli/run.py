"""Run the workflow on an athlete's data, and write the training program as JSON.

Input and output are checked before the first request. The API key is read only from the
environment, $EDN360_OPENAI_API_KEY or $OPENAI_API_KEY: other users of a machine can read the
arguments of its commands. OUT.json.run refers to the run until its program is delivered. As long as
it exists, a repeated command resumes the run and starts no second run. If the workflow answers
without a program, OUT.json.answer.txt has the text. With standard output, the text is in the
temporary directory.
"""

import argparse
import hashlib
from pathlib import Path

from .. import RunReference
from ..errors import ConfigurationError
from ..reading import read_input
from .arguments import OUTPUT, SENDING, WAITING, option
from .console import say
from .delivery import Delivery
from .errors import SUCCESS
from .files import Destination, read_file
from .reference import DIGEST, ReferenceFile, is_sent, read_reference

ARGUMENTS = (
    option("input", "INPUT.json", "an EDN360Input; - is standard input"),
    OUTPUT,
    option("--reference", "FILE", "the file for the reference of the run; default OUT.json.run"),
    option("--skip-existing", bool, "do nothing if OUT.json exists and its run is delivered"),
    *SENDING,
    option("--user", "USER", "the user of the session; default: user_profile.user_id"),
    *WAITING,
)


def execute(args: argparse.Namespace) -> int:
    """Run it, and return the exit status."""
    edn360_input = read_file(args.input, read_input)
    output = Destination(args.output)
    output.check(args.input)
    if args.reference is not None and not Destination(args.reference).is_regular():
        raise ConfigurationError("--reference must name a file.")
    if args.skip_existing and not output.is_regular():
        raise ConfigurationError("--skip-existing needs -o OUT.json.")
    file, run = None, None
    if not args.simulate and (args.reference or output.is_regular()):
        digest = hashlib.sha256(edn360_input.to_json_text().encode()).hexdigest()
        file = ReferenceFile(args.reference or f"{args.output}.run", digest)
        run = _earlier_run(args, file.name, digest)
    # In this order: a command that delivers writes its output before it removes the reference.
    if run is None and args.skip_existing and Path(args.output).exists():
        say(f"{args.output} exists; nothing was sent.")
        return SUCCESS
    return Delivery(args, file, run).complete(edn360_input)


def _earlier_run(args: argparse.Namespace, file: str, digest: str) -> RunReference | None:
    """The run of an earlier command with this input; ``None`` without a reference."""
    if not Path(file).exists():
        Destination(file).check(args.input)
        return None
    run = read_reference(file)
    if getattr(run, DIGEST, None) != digest:
        raise ConfigurationError(
            f"{file} has a run of another input. Name another output, or remove that file to give "
            "up that run; nothing was sent."
        )
    doubt = "" if is_sent(run) else ", which may have started"
    say(f"Resuming the run in {file}{doubt}. To start a new one, remove that file.")
    return run
