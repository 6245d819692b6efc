"""From a config to nodes: every mistake is found, and none stops the search for others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from dicomarray.core.coded_warnings import CodedWarning, warning
from dicomarray.dicom.dictionary import tag_for_keyword
from dicomarray.query import operators
from dicomarray.query.fact_types import fact_kind, fact_operators
from dicomarray.query.facts import FACTS
from dicomarray.query.fields import Field, Step, parse_field
from dicomarray.query.grammar import (
    MODIFIERS,
    NODE_WORDS,
    OPERATORS,
    PRESENCE,
    TOP_WORDS,
    ConfigErrors,
    PartError,
    did_you_mean,
    suggest_operator,
)
from dicomarray.query.nodes import (
    All,
    AnyOf,
    Combined,
    Entry,
    Every,
    Leaf,
    NoneOf,
    Some,
    some_item,
)
from dicomarray.query.operators import ELEMENT_TESTS, Condition, kind_of
from dicomarray.query.patterns import has_wildcard
from dicomarray.query.ranking import Ranking, parse_ranking, unknown_name
from dicomarray.query.value_types import Kind, Test, describe

_COMBINED: dict[str, type[Combined]] = {"all": All, "any": AnyOf, "not": NoneOf, "some": Some, "every": Every}
# Stands where a mistake was found, after which nothing is asked.
_UNASKED = operators.together(())
# The number of values, which `count` asks like any other number.
_NUMBER_OF_VALUES = Field("count", (Step("count", "IS"),))


@dataclass(frozen=True, slots=True)
class Target:
    """What a condition is about: the field, and how its values are compared."""

    field: Field
    vr: str | None
    case: bool | None = None

    def kind(self) -> Kind:
        """How the values are compared; PartError where the VR is not known."""
        if self.field.is_fact:
            return fact_kind(self.field.name)
        if self.vr is None:
            raise PartError(
                f'the VR of {self.field.name} is not known; add it, as in {{"eq": 3, "vr": "IS"}}'
            )
        return kind_of(self.vr, self.case)


@dataclass(slots=True)
class Parser:
    """Reads one config; what it finds wrong gathers in ``errors``, what is only odd in ``warnings``."""

    errors: ConfigErrors = field(default_factory=ConfigErrors)
    warnings: dict[CodedWarning, None] = field(default_factory=dict)

    def parse(self, config: Any) -> tuple[All, Ranking]:
        """The whole config; ConfigError with all its mistakes."""
        top: dict[str, Any] = {}
        if isinstance(config, Mapping):
            top = {key: value for key, value in config.items() if key in TOP_WORDS}
            config = {key: value for key, value in config.items() if key not in TOP_WORDS}
        root = self._node(config, "$", depth=1, in_item=False)
        ranking = parse_ranking(top, self.errors, partial(self._node, depth=2, in_item=False))
        self.errors.raise_if_any()
        return root, ranking

    # Nodes ---------------------------------------------------------------------------------------

    def _node(self, raw: Any, path: str, depth: int, in_item: bool) -> All:
        self.errors.count_node(path)
        if self.errors.too_deep(path, depth):
            return All(path, ())
        if not isinstance(raw, Mapping):
            self.errors.add(path, f"a mapping of attributes was expected, not {describe(raw)}")
            return All(path, ())
        if not raw and depth > 1:
            self.errors.add(path, "an empty mapping asks nothing; leave it out")
        found = [self._entry(key, value, path, depth, in_item) for key, value in raw.items()]
        return All(path, tuple(entry for entry in found if entry is not None))

    def _entry(self, key: Any, raw: Any, parent: str, depth: int, in_item: bool) -> Entry | None:
        path = f"{parent}.{key}"
        if not isinstance(key, str):
            self.errors.add(path, "a name was expected; put it in quotes")
        elif key in NODE_WORDS:
            return self._combined(key, raw, path, depth, in_item)
        elif key in TOP_WORDS:
            self.errors.add(path, f'"{key}" belongs to the whole config: write it at the top')
        elif key in OPERATORS or key in MODIFIERS:
            self.errors.add(path, f'"{key}" belongs inside the condition of one attribute')
        else:
            return self._leaf(key, raw, path, depth, in_item)
        return None

    def _leaf(self, key: str, raw: Any, path: str, depth: int, in_item: bool) -> Leaf | None:
        self.errors.count_node(path)
        fact = FACTS.get(key)
        if fact is not None and in_item:
            self.errors.add(path, f'"{key}" is a fact of the series, and an item of a sequence has none')
        try:
            found = parse_field(key) if fact is None else Field(key, (Step(key, None),))
        except PartError as mistake:
            self.errors.add(path, unknown_name(key, mistake))
            return None
        for step in found.steps:
            if step.retired:
                self.warnings |= dict.fromkeys(
                    warning(f"{path}: {step.key} is retired from the standard; newer files lack it [retired]")
                )
        condition = self._condition(raw, Target(found, found.vr), path, depth)
        if fact is None:
            return Leaf(path, condition, found, frozenset({found.key}), found.identifying)
        return Leaf(path, condition, found, fact.attributes, fact.identifying)

    def _combined(self, word: str, raw: Any, path: str, depth: int, in_item: bool) -> Entry:
        entry, asks_instances = _COMBINED[word], word in ("some", "every")
        if asks_instances and in_item:
            self.errors.add(path, f'"{word}" asks the instances of the series, not items of a sequence')
        if asks_instances or (word == "not" and isinstance(raw, Mapping)):
            return entry(path, (self._node(raw, path, depth + 1, in_item),))
        if not isinstance(raw, list | tuple):
            self.errors.add(path, f'"{word}" takes a list of mappings, not {describe(raw)}')
            return entry(path, ())
        if not raw:
            self.errors.add(path, "an empty list asks nothing; leave it out")
        nodes = (self._node(node, f"{path}[{i}]", depth + 1, in_item) for i, node in enumerate(raw))
        return entry(path, tuple(nodes))

    # Conditions ----------------------------------------------------------------------------------

    def _condition(self, raw: Any, target: Target, path: str, depth: int) -> Condition:
        try:
            if isinstance(raw, Mapping):
                return self._mapping(raw, target, path, depth + 1)
            if raw is None:
                raise PartError("null asks nothing; write empty: true or exists: false")
            kind = target.kind()
            scalars = raw if isinstance(raw, list | tuple) else None
            literals = [kind.wanted(raw)] if scalars is None else self._literals(scalars, target, kind, path)
            return operators.some_value(target.field, kind, [kind.any_of(literals)])
        except PartError as mistake:
            self.errors.add(path, _masked(mistake, raw, target))
            return _UNASKED

    def _literals(self, scalars: Any, target: Target, kind: Kind, path: str) -> list[Any]:
        """What a list looks for; the mistakes of its members get their own places."""
        if not isinstance(scalars, list | tuple):
            raise PartError(f"a list was expected, not {describe(scalars)}")
        if not scalars:
            raise PartError("an empty list matches nothing")
        literals = []
        for i, scalar in enumerate(scalars):
            if isinstance(scalar, str) and has_wildcard(scalar):
                self.errors.count_node(path)
            try:
                if not isinstance(scalar, str) and isinstance(scalar, Mapping | list | tuple):
                    raise PartError(f"a list holds plain values, not {describe(scalar)}; write any: [...]")
                literals.append(kind.wanted(scalar))
            except PartError as mistake:
                self.errors.add(f"{path}[{i}]", _masked(mistake, scalar, target))
        return literals

    def _mapping(self, raw: Mapping[Any, Any], target: Target, path: str, depth: int) -> Condition:
        if self.errors.too_deep(path, depth):
            return _UNASKED
        target = self._modified(raw, target, path)
        asked = {name: value for name, value in raw.items() if name not in MODIFIERS}
        if not asked:
            raise PartError("an empty mapping asks nothing; name an operator")
        if target.vr == "SQ" and not asked.keys() <= kind_of("SQ").operators:
            return some_item(self._node(asked, path, depth, in_item=True))
        return self._operators(asked, target, path, depth)

    def _modified(self, raw: Mapping[Any, Any], target: Target, path: str) -> Target:
        """The target as the modifiers ``vr`` and ``case`` say."""
        if target.field.is_fact:
            for name in MODIFIERS:
                if name in raw:
                    why = f"{target.field.name} is a fact, for which it has no meaning"
                    self.errors.add(f"{path}.{name}", why)
            return target
        if "case" in raw:
            if not isinstance(raw["case"], bool):
                self.errors.add(f"{path}.case", f"true or false was expected, not {describe(raw['case'])}")
            target = replace(target, case=raw["case"] is True)
        if "vr" in raw:
            try:
                given = type(kind_of(raw["vr"]))
                if target.field.vr is not None and given is not type(kind_of(target.field.vr)):
                    raise PartError(f"{target.field.name} has the VR {target.field.vr}")
                target = replace(target, vr=raw["vr"])
            except PartError as mistake:
                self.errors.add(f"{path}.vr", str(mistake))
        return target

    def _operators(self, raw: Mapping[Any, Any], target: Target, path: str, depth: int) -> Condition:
        """All operators of a mapping; those that ask single values must hold of the same value."""
        asks_presence_only = target.vr is None and not target.field.is_fact and raw.keys() <= PRESENCE
        kind = kind_of("UN") if asks_presence_only else target.kind()
        tests: list[Test] = []
        found: list[Condition] = []
        for name, argument in raw.items():
            self.errors.count_node(f"{path}.{name}")
            try:
                _check_operator(name, target, kind)
                if name == "in":
                    literals = self._literals(argument, target, kind, f"{path}.in")
                    tests.append(kind.any_of(literals))
                elif name in ELEMENT_TESTS:
                    tests.append(ELEMENT_TESTS[name](kind, name, argument))
                else:
                    found.append(self._field_operator(name, argument, target, f"{path}.{name}", depth))
            except PartError as mistake:
                self.errors.add(f"{path}.{name}", _masked(mistake, argument, target))
        if tests:
            found.insert(0, operators.some_value(target.field, kind, tests))
        return found[0] if len(found) == 1 else operators.together(found)

    def _field_operator(self, name: str, argument: Any, target: Target, path: str, depth: int) -> Condition:
        """The operators that ask an attribute as a whole."""
        if name in ("exists", "empty"):
            if not isinstance(argument, bool):
                raise PartError(f"true or false was expected, not {describe(argument)}")
            if name == "exists":
                return lambda found, _: bool(found) is argument
            return lambda found, _: (found == ()) is argument
        if name == "not":
            condition = self._condition(argument, target, path, depth)
            return lambda found, evaluation: not condition(found, evaluation)
        if name == "each":
            return operators.each(self._condition(argument, target, path, depth))
        if name == "count":
            if argument == 0:
                raise PartError("a field without a value has nothing to count; write exists: false")
            number = Target(_NUMBER_OF_VALUES, "IS")
            return operators.count(self._condition(argument, number, path, depth))
        kind = target.kind()
        literals = self._literals(argument, target, kind, path)
        return operators.has_all(target.field, kind, [kind.any_of([literal]) for literal in literals])


def _check_operator(name: Any, target: Target, kind: Kind) -> None:
    if not isinstance(name, str):
        raise PartError("an operator was expected; put it in quotes")
    if name not in OPERATORS:
        if tag_for_keyword(name) is not None:
            raise PartError(f"{name} is an attribute, but {target.field.name} ({kind.vr}) is no sequence")
        raise PartError(f"{name!r} is no operator{did_you_mean(suggest_operator(name))}")
    field = target.field
    offered = fact_operators(field.name, kind) if field.is_fact else kind.operators
    if name not in offered:
        listed = ", ".join(sorted(offered))
        raise PartError(f"{name} does not apply to {field.name} ({kind.vr}); it has {listed}")


def _masked(mistake: PartError, raw: Any, target: Target) -> str:
    """The message, without the value where it names a patient."""
    if not target.field.identifying:
        return str(mistake)
    for part in (raw, *raw) if isinstance(raw, list | tuple) else (raw,):
        mistake = PartError(str(mistake).replace(describe(part), "the value"))
    return str(mistake)
