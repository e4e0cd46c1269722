"""The training program: what it says, in numbers and in words, and what it looks like."""
