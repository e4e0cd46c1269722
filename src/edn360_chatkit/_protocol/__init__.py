"""The protocol, without I/O: what to send, and how to read the answer."""
