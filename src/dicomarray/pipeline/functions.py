"""The user's function: found by its name, told apart by its version, made ready once in each process."""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import inspect
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from dicomarray.errors import UsageError
from dicomarray.query.config import load_config
from dicomarray.storage.places import PathLike

Function = Callable[..., Any]
# A longer source is not put into the ledger: it is a package's, which has a version.
MAX_SOURCE = 1_000_000  # bytes
# Begins the name of a module that is a file somewhere, given as ``file.py:function``.
_OF_FILE = "dicomarray_function_"


def resolve(function: Function | str, folder: Path | None = None) -> Function:
    """The callable that ``"module:function"`` or ``"file.py:function"`` names.

    The working folder (or ``folder``) is searched too.

    Raises UsageError where it cannot be imported or called.
    """
    if not isinstance(function, str):
        if not callable(function):
            raise UsageError(f"{function!r} is no function")
        return function
    module_name, _, name = function.rpartition(":")
    if not module_name or not name:
        raise UsageError(f'"{function}" names no function; write it as module:function or file.py:function')
    here = str(folder or Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = (
            _load_file(Path(here, module_name))
            if module_name.endswith(".py")
            else importlib.import_module(module_name)
        )
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as error:  # a module of the user may raise anything when it is imported
        raise UsageError(f'"{function}" cannot be imported: {type(error).__name__}: {error}') from error
    if not callable(found):
        raise UsageError(f'"{function}" is a {type(found).__name__}, no function')
    return found  # type: ignore[no-any-return]


def _load_file(path: Path) -> ModuleType:
    """A Python file as a module, loaded once."""
    name = f"{_OF_FILE}{hashlib.sha256(str(path).encode()).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def reference(function: Function | str) -> str:
    """How another process finds the function: ``"module:name"``, or ``"/path/script.py:name"``.

    Raises UsageError for a lambda, a local function, an object: nothing that another process could import.
    """
    if isinstance(function, str):
        return function
    module_name, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if module_name == "__main__" and name is not None and "<" not in name:
        return f"{_main_name(name)}:{name}"
    if module_name is None or name is None or "<" in name or resolve(f"{module_name}:{name}") is not function:
        raise UsageError(
            f"{function!r} cannot be imported by another process: define it (a function or a class) at the "
            "top of a module, and give its options as parameters"
        )
    return f"{module_name}:{name}"


def _main_name(function: str) -> str:
    main = sys.modules["__main__"]
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if spec is not None:
        return str(spec.name)
    if file is None:
        raise UsageError(
            f"{function} is defined in an interactive session, where no other process can import it; put it "
            "into a file, and give file.py:function"
        )
    return str(Path(file).resolve())


def load_parameters(parameters: Mapping[str, Any] | PathLike | None) -> dict[str, Any]:
    """The function's keyword arguments, from a mapping or a file.

    Raises UsageError for a name that is none, or a value that JSON cannot say: the ledger could not tell it.
    """
    given = parameters if isinstance(parameters, Mapping | None) else load_config(Path(parameters))
    found = dict(given or {})
    for name in found:
        if not isinstance(name, str) or not name.isidentifier():
            raise UsageError(f"{name!r} is no name of a parameter")
    try:
        json.dumps(found, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the parameters must be numbers, texts, lists and mappings: {error}") from error
    return found


def check_call(function: Function, parameters: Mapping[str, Any]) -> None:
    """Raise UsageError unless the function takes a volume and the parameters.

    A class takes the parameters, and its instances the volume.
    """
    positional = () if inspect.isclass(function) else (None,)
    if inspect.isclass(function) and not any("__call__" in base.__dict__ for base in function.__mro__):
        raise UsageError(f"{function!r}: a class needs a method __call__(self, volume)")
    try:
        inspect.signature(function).bind(*positional, **parameters)
    except ValueError:
        return  # one written in C may not tell its parameters
    except TypeError as error:
        wanted = "the parameters" if inspect.isclass(function) else "a volume and the parameters"
        raise UsageError(f"{name_of(function)} does not take {wanted} {dict(parameters)}: {error}") from error


def make_ready(function: Function, parameters: Mapping[str, Any]) -> Function:
    """What is called with each volume: the function with its parameters, or an instance of the class.

    Raises UsageError where the class cannot be made into an object.
    """
    if not inspect.isclass(function):
        return functools.partial(function, **parameters)
    try:
        made: Any = function(**parameters)
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        raise UsageError(f"{name_of(function)}(...) raised {type(error).__name__}: {error}") from error
    return made  # type: ignore[no-any-return]


def name_of(function: Function | str) -> str:
    """``module:name``, or ``file.py:name``, for people."""
    if isinstance(function, str):
        return function
    kind = function if hasattr(function, "__qualname__") else type(function)
    module = str(getattr(kind, "__module__", "?"))
    file = _file_of(sys.modules.get(module)) if module.startswith(_OF_FILE) else None
    return f"{module if file is None else file.name}:{getattr(kind, '__qualname__', '?')}"


def version_of(function: Function) -> dict[str, str | None]:
    """What tells one version of a function from another: the digest of its file, its package's version.

    Both are None for a function whose file is unknown, such as one typed into a session.
    """
    module = _module_of(function)
    file = _file_of(module)
    package = sys.modules.get(module.__name__.partition(".")[0]) if module is not None else None
    version = getattr(package, "__version__", None)
    digest = None if file is None else hashlib.sha256(file.read_bytes()).hexdigest()
    return {"digest": digest, "version": None if version is None else str(version)}


def source_of(function: Function) -> str | None:
    """The text of the function's file; None where there is none, or a very long one."""
    file = _file_of(_module_of(function))
    if file is None or file.suffix != ".py" or file.stat().st_size > MAX_SOURCE:
        return None
    return file.read_text(encoding="utf-8", errors="replace")


def _module_of(function: Function) -> ModuleType | None:
    kind = function if hasattr(function, "__qualname__") else type(function)
    return sys.modules.get(getattr(kind, "__module__", None) or "")


def _file_of(module: ModuleType | None) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file) if file is not None and Path(file).is_file() else None
