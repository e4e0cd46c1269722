"""The few commands that a contributor needs."""
