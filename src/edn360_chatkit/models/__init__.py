"""Sessions, messages, threads and references of runs: data only."""
