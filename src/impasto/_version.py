"""The version, written once: the package, its command and its wheel take it from here."""

__version__ = "0.1.0"
