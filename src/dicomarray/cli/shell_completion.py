"""What a shell completes of the command line: commands, flags, and the values that these take."""

from __future__ import annotations

import argparse
import re

from dicomarray.core.optional_packages import package

# The values of a flag, as its help lists them: binary|labelmap|fractional.  Other metavars are in capitals.
_VALUES = re.compile(r"[a-z][a-z0-9-]*(\|[a-z][a-z0-9-]*)*")


def completion_script(command: argparse.ArgumentParser, shell: str) -> str:
    """A script for that shell; the parser is of no other use afterwards.

    Raises UsageError where shtab is not installed.
    """
    shtab = package("shtab", "completion", "completion needs shtab")
    _offer_values(command)
    return str(shtab.complete(command, shell))


def _offer_values(command: argparse.ArgumentParser) -> None:
    """Name the values to the parser: those of most flags are checked by the options alone."""
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            for one in action.choices.values():
                _offer_values(one)
        elif isinstance(action.metavar, str) and _VALUES.fullmatch(action.metavar):
            action.choices = action.metavar.split("|")
