"""The parts of the command: its arguments, its files, and what a run looks like on a terminal."""
