"""The data: what goes in, what comes out, and what is reported in between."""
