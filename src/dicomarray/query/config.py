"""Filter configs in files: JSON, YAML or TOML.

What a file says twice or ambiguously is refused.  YAML is read with a resolver of its own: only true, false,
null and plain decimal numbers are anything but text, so that NO stays a word and 0012 keeps its zeros.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dicomarray.errors import ConfigError
from dicomarray.query.selection import Selection, parse
from dicomarray.storage.places import PathLike
from dicomarray.storage.plain_files import open_plain

# What users write: a mapping, or the file that holds one; None matches all.
Config = Mapping[str, Any] | PathLike | None

# Bytes; 200,000 UIDs are 13 MB of JSON.
LARGEST_BYTES = 1 << 26
# Mappings and lists in each other; a filter config has far fewer, and readers that recurse stand this many.
DEEPEST = 100

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
    return parse(config if isinstance(config, Mapping) else load_config(Path(config)))


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
        raise _repeated(path, line, key)
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
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error  # its message has the line
    except ValueError as error:  # a number of so many digits that Python does not read it
        raise ConfigError(f"{path}: not TOML: {error}") from error


# YAML ----------------------------------------------------------------------------------------------


def _read_yaml(path: Path, text: str) -> Any:
    import yaml

    # PyYAML's parser in C, where it was built, is ten times as fast; both give the same events.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    builder = _YamlBuilder(path)
    try:
        for event in yaml.parse(text, Loader=loader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}, line {mark.line + 1}" if mark else str(path)
        problem = error.problem or error.context or "damaged"
        hint = _QUOTES_HINT if "alias" in f"{error.context}{error.problem}" else ""
        raise ConfigError(f"{where}: not YAML: {problem}{hint}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {error}") from error
    return builder.document


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end has not come yet, and the key that waits for its value."""

    content: dict[str, Any] | list[Any]
    key: str | None = None


@dataclass(slots=True)
class _YamlBuilder:
    """Builds plain values from YAML's events: no other types, no aliases, no key twice."""

    path: Path
    document: Any = None
    documents: int = 0
    open: list[_Open] = field(default_factory=list)

    def take(self, event: Any) -> None:
        """Take the next event of `yaml.parse`."""
        name, line = type(event).__name__, event.start_mark.line + 1
        if name == "AliasEvent":
            raise self._error(line, f"*{event.anchor} is an alias, which a config may not have{_QUOTES_HINT}")
        if name == "DocumentStartEvent":
            self.documents += 1
            if self.documents > 1:
                raise self._error(line, "a second document begins; a config is one")
        elif name in ("MappingEndEvent", "SequenceEndEvent"):
            self.open.pop()
        elif name in ("MappingStartEvent", "SequenceStartEvent"):
            self._refuse_extras(event, line)
            content: dict[str, Any] | list[Any] = {} if name == "MappingStartEvent" else []
            self._put(content, line)
            self.open.append(_Open(content))
            if len(self.open) > DEEPEST:
                raise self._error(line, "the config is nested too deeply")
        elif name == "ScalarEvent":
            self._refuse_extras(event, line)
            self._scalar(event, line)

    def _scalar(self, event: Any, line: int) -> None:
        top = self.open[-1] if self.open else None
        if top is None or top.key is not None or isinstance(top.content, list):
            plain = event.implicit[0] and event.tag is None
            self._put(_resolve(event.value) if plain else event.value, line)
        elif event.value in top.content:
            raise _repeated(self.path, line, event.value)
        else:
            top.key = event.value  # a key is a name, whatever it looks like

    def _put(self, value: Any, line: int) -> None:
        """Store a value in what is open."""
        if not self.open:
            self.document = value
            return
        top = self.open[-1]
        if isinstance(top.content, list):
            top.content.append(value)
        elif top.key is None:
            raise self._error(line, "a key is a mapping or list; write a name")
        else:
            top.content[top.key] = value
            top.key = None

    def _refuse_extras(self, event: Any, line: int) -> None:
        """An unquoted text that begins with & or ! would vanish into an anchor or a tag."""
        if event.anchor is not None:
            raise self._error(line, f'&{event.anchor} is an anchor, which a config may not have; quote a "&"')
        if event.tag not in (None, "!", "tag:yaml.org,2002:str"):
            raise self._error(line, f'{event.tag} is a tag, which a config may not have; quote a "!"')

    def _error(self, line: int, message: str) -> ConfigError:
        return ConfigError(f"{self.path}, line {line}: {message}")


def _resolve(text: str) -> Any:
    """What a plain scalar means; far less than YAML 1.1 reads into it."""
    if text in _YAML_CONSTANTS:
        return _YAML_CONSTANTS[text]
    if _YAML_INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _YAML_FLOAT.fullmatch(text) else text


def _repeated(path: Path, line: int, key: str) -> ConfigError:
    return ConfigError(
        f'{path}, line {line}: "{key}" stands twice in one mapping; write "all" or a list of values'
    )
