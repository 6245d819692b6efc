"""NiiVue itself: the JavaScript that travels inside the package ipyniivue, which is not imported."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from dicomarray.errors import UsageError

_INSTALL = "pip install 'dicomarray[viewer]'"
# The build gives out a widget alone; this is where it makes the first viewer, of the class that is wanted.
_CLASS = re.compile(r'"Creating new Niivue instance"\).{0,200}?=new ([A-Za-z_$][\w$]*)\(', re.DOTALL)
# The name by which the script of the page finds that class.
CLASS_NAME = "NiivueOfBuild"


@dataclass(frozen=True, slots=True)
class Build:
    """``script``, a module of JavaScript that sets the global `CLASS_NAME`; its licence, and who made it."""

    script: str
    licence: str
    version: str


def niivue() -> Build:
    """The build that is installed."""
    try:
        package = distribution("ipyniivue")
    except PackageNotFoundError as error:
        raise UsageError(f"the viewer niivue needs the package ipyniivue: {_INSTALL}") from error
    script = _content(package, "widget.js")
    found = _CLASS.search(script)
    if found is None:
        raise UsageError(
            f"ipyniivue {package.version} is built in another way than the versions that are known; the ones "
            f"that are: {_INSTALL}"
        )
    made = f"{script}\nglobalThis.{CLASS_NAME} = {found[1]};\n"
    return Build(made, _content(package, "LICENSE"), package.version)


def _content(package: Distribution, name: str) -> str:
    """A file of the package, wherever that is installed."""
    file = next((file for file in package.files or () if file.name == name), None)
    if file is None:
        raise UsageError(f"ipyniivue {package.version} has no {name}; install it anew: {_INSTALL}")
    return file.read_text(encoding="utf-8")
