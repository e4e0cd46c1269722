"""The version. The build and the User-Agent read this file."""

__version__ = "0.1.0"
