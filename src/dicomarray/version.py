"""The version, in one place: the build, the command line and every written file take it from here."""

__version__ = "0.1.0"
