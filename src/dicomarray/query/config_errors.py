"""The mistakes of one config, collected until all of them are known."""

from __future__ import annotations

from dataclasses import dataclass, field

from dicomarray.errors import ConfigError

MAX_NODES = 10_000
MAX_DEPTH = 32
# Nobody corrects more at one go, and finding what was meant by a name takes some milliseconds.
MAX_ERRORS = 100


class StoppedError(ConfigError):
    """The config is too large, or too wrong, to go on; the parser catches it."""


@dataclass(slots=True)
class ConfigErrors:
    """What is wrong with a config, by place, and how large it has turned out to be."""

    messages: list[str] = field(default_factory=list)
    nodes: int = 0

    def add(self, path: str, message: str) -> None:
        """Note a mistake; StoppedError after too many of them."""
        self.messages.append(f"{path}: {message}")
        if len(self.messages) >= MAX_ERRORS:
            self.messages.append(f"... and perhaps more: reading stopped after {MAX_ERRORS} mistakes")
            raise StoppedError

    def count_node(self, path: str) -> None:
        """Count a node, an operator or a wildcard of a list; StoppedError where there are too many."""
        self.nodes += 1
        if self.nodes > MAX_NODES:
            self.messages.append(f"{path}: a config has at most {MAX_NODES} conditions and patterns")
            raise StoppedError

    def too_deep(self, path: str, depth: int) -> bool:
        """Note it where a mapping lies too deep."""
        if depth > MAX_DEPTH:
            self.add(path, f"a config is at most {MAX_DEPTH} mappings deep")
        return depth > MAX_DEPTH

    def raise_if_any(self) -> None:
        """Raise one ConfigError with every mistake in a line of its own."""
        if not self.messages:
            return
        number = f"{len(self.messages)} mistakes" if len(self.messages) > 1 else "a mistake"
        raise ConfigError("\n  ".join((f"the filter config has {number}:", *self.messages)))
