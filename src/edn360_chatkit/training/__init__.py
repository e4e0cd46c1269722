"""What a coach wants to know of a program: its numbers, its faults, its changes, its rows."""
