"""Filter configs in files: JSON, YAML or TOML.

What a file says twice or ambiguously is refused.  YAML is read with a resolver of its own: only true, false,
null and plain decimal numbers are anything but text, so that NO stays a word and 0012 keeps its zeros.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dicomarray.errors import ConfigError
from dicomarray.query.selection import Selection, parse
from dicomarray.storage.places import PathLike, local_path
from dicomarray.storage.plain_files import open_plain

# What users write: a mapping, or the file that holds one; None matches all.
Config = Mapping[str, Any] | PathLike | None

# Bytes; 200,000 UIDs are 13 MB of JSON.
LARGEST_BYTES = 1 << 26
# Mappings and lists in each other; a filter config has far fewer, and readers that recurse stand this many.
MAX_DEPTH = 100

_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|\n', re.DOTALL)
_YAML_CONSTANTS = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_YAML_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,18})")
_YAML_FLOAT = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_QUOTES_HINT = '; a text that begins with * needs quotes, as in "*AX*"'


def load_config(path: Path) -> dict[str, Any]:
    """Read a filter config; `selection.parse` checks what it says.

    Raises
    ------
    ConfigError
        Where the file cannot be read, is not what its suffix says, is no mapping, or names a key twice;
        the message has the file and the line.
    """
    readers: dict[str, Callable[[Path, str], Any]] = {
        ".json": _read_json,
        ".yaml": _read_yaml,
        ".yml": _read_yaml,
        ".toml": _read_toml,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ConfigError(f"{path}: a filter config ends in {', '.join(readers)}, not in {path.suffix!r}")
    text = _read_text(path)
    try:
        content = reader(path, text)
    except RecursionError as error:
        raise ConfigError(f"{path}: the config is nested too deeply") from error
    if not isinstance(content, dict):
        kind = "empty" if content is None else f"a {type(content).__name__}"
        raise ConfigError(
            f"{path}, line 1: a config is a mapping, and this is {kind}; {{}} matches all series"
        )
    content.pop("$schema", None)  # it is for editors
    return content


def selection_of(config: Config) -> Selection:
    """A config, or the file that holds one, checked.

    Raises
    ------
    ConfigError
        With all its mistakes.
    """
    if config is None:
        return parse({})
    if isinstance(config, Mapping):
        return parse(config)
    given: object = config  # whatever its annotation says
    if not isinstance(given, str | os.PathLike):
        kind = type(given).__name__
        raise ConfigError(f"a filter config is a mapping or the path of a file, not a {kind}")
    return parse(load_config(local_path(given)))


def _read_text(path: Path) -> str:
    try:
        with open_plain(path) as stream:
            if os.fstat(stream.fileno()).st_size > LARGEST_BYTES:
                raise ConfigError(f"{path} is larger than any filter config ({LARGEST_BYTES} bytes)")
            return stream.read(LARGEST_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not text in UTF-8 (byte {error.start})") from error


# JSON ----------------------------------------------------------------------------------------------


def _read_json(path: Path, text: str) -> Any:
    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is no number in JSON")

    try:
        content = json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}, line {error.lineno}: not JSON: {error.msg}") from error
    except ValueError as error:
        raise ConfigError(f"{path}: not JSON: {error}") from error
    for line, key in _repeated_json_keys(text):
        raise _repeated_key(path, line, key)
    return content


def _repeated_json_keys(text: str) -> Iterator[tuple[int, str]]:
    """Keys that an object has twice, with their lines, in valid JSON."""
    line = 1
    keys: list[set[str] | None] = []  # of the objects that are open; None stands for a list
    previous = ""
    for match in _JSON_TOKEN.finditer(text):
        token = match[0]
        if token == "\n":
            line += 1
            continue
        if token in "{[":
            keys.append(set() if token == "{" else None)
        elif token in "}]":
            keys.pop()
        elif token == ":" and keys and (names := keys[-1]) is not None:
            key = json.loads(previous)
            if key in names:
                yield line, key
            names.add(key)
        previous = token


# TOML ----------------------------------------------------------------------------------------------


def _read_toml(path: Path, text: str) -> Any:
    import tomllib  # the last of the three kinds that a config is written in

    try:
        return tomllib.loads(text)
    except ValueError as error:  # with the line, or for a number of too many digits without
        raise ConfigError(f"{path}: not TOML: {error}") from error


# YAML ----------------------------------------------------------------------------------------------


def _read_yaml(path: Path, text: str) -> Any:
    import yaml

    # PyYAML's parser in C, where it was built, is ten times as fast; both give the same events.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _yaml_document(path, yaml.parse(text, Loader=loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}, line {mark.line + 1}" if mark else str(path)
        problem = error.problem or error.context or "damaged"
        hint = _QUOTES_HINT if "alias" in f"{error.context}{error.problem}" else ""
        raise ConfigError(f"{where}: not YAML: {problem}{hint}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {error}") from error


def _yaml_document(path: Path, events: Iterator[Any]) -> Any:
    """The one document that the events of `yaml.parse` tell; None where there is none."""
    document, begun = None, False
    for event in events:
        if type(event).__name__ == "DocumentStartEvent":
            if begun:
                raise _refused(path, event, "a second document begins; a config is one")
            document, begun = _yaml_value(path, next(events), events, 0), True
    return document


def _yaml_value(path: Path, event: Any, events: Iterator[Any], depth: int) -> Any:
    """What an event begins, in so many others: a plain value, a mapping or a list, and no other type."""
    _refuse_extras(path, event)
    name = type(event).__name__
    if name == "ScalarEvent":
        return _resolve(event.value) if event.implicit[0] and event.tag is None else event.value
    if depth == MAX_DEPTH:
        raise _refused(path, event, "the config is nested too deeply")
    if name == "SequenceStartEvent":
        return [_yaml_value(path, item, events, depth + 1) for item in _until_end(events)]
    content: dict[str, Any] = {}
    for key in _until_end(events):
        _refuse_extras(path, key)
        if type(key).__name__ != "ScalarEvent":
            raise _refused(path, key, "a key is a mapping or list; write a name")
        if key.value in content:
            raise _repeated_key(path, key.start_mark.line + 1, key.value)
        # a key is a name, whatever it looks like
        content[key.value] = _yaml_value(path, next(events), events, depth + 1)
    return content


def _until_end(events: Iterator[Any]) -> Iterator[Any]:
    """The events that begin what a mapping or list holds."""
    for event in events:
        if type(event).__name__ in ("MappingEndEvent", "SequenceEndEvent"):
            return
        yield event


def _refuse_extras(path: Path, event: Any) -> None:
    """An unquoted text that begins with *, & or ! would vanish into an alias, an anchor or a tag."""
    if type(event).__name__ == "AliasEvent":
        raise _refused(path, event, f"*{event.anchor} is an alias, which a config may not have{_QUOTES_HINT}")
    if event.anchor is not None:
        raise _refused(path, event, f'&{event.anchor} is an anchor, which a config may not have; quote a "&"')
    if event.tag not in (None, "!", "tag:yaml.org,2002:str"):
        raise _refused(path, event, f'{event.tag} is a tag, which a config may not have; quote a "!"')


def _refused(path: Path, event: Any, message: str) -> ConfigError:
    return ConfigError(f"{path}, line {event.start_mark.line + 1}: {message}")


def _resolve(text: str) -> Any:
    """What a plain scalar means; far less than YAML 1.1 reads into it."""
    if text in _YAML_CONSTANTS:
        return _YAML_CONSTANTS[text]
    if _YAML_INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _YAML_FLOAT.fullmatch(text) else text


def _repeated_key(path: Path, line: int, key: str) -> ConfigError:
    return ConfigError(
        f'{path}, line {line}: "{key}" stands twice in one mapping; write "all" or a list of values'
    )
