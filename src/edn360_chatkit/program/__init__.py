"""The training program: data, numbers, checks, comparison and renderings."""
