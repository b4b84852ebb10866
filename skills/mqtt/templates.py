"""The few templates that devices really publish: a value picked from a message, a word put into a command.

A tiny grammar in Jinja's spelling, never evaluated as code. It does not know statements, tests, macros or attributes of
Python objects: whatever it does not know is `Unsupported`.
"""

import json
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MOST_LETTERS = 1_000
DEEPEST = 8

_HOLE = re.compile(r"\{\{-?(.*?)-?\}\}", re.DOTALL)
_TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<name>[A-Za-z_]\w*)|'(?P<text>[^'\\]*)'|"(?P<text2>[^"\\]*)"|(?P<sign>[-+*/|().,\[\]]))"""
)
_SIGNS: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


class Unsupported(ValueError):
    """This template is beyond the grammar."""


class Nothing(Exception):
    """What the template asks for is not in the message."""


Scope = Mapping[str, Any]
Term = Callable[[Scope], Any]


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled template: literal texts and terms, in turn."""

    parts: tuple[str | Term, ...]

    def __call__(self, scope: Scope) -> Any:
        """The term's own value where the template is one term, text otherwise; None where the message says nothing."""
        try:
            filled = [part if isinstance(part, str) else part(scope) for part in self.parts]
            return filled[0] if len(filled) == 1 else "".join(map(text, filled))
        except (Nothing, ArithmeticError, TypeError, ValueError, RecursionError):
            return None


def text(value: Any) -> str:
    """A value as a device would read it: `true`, `21.5`, `50`, JSON for lists and maps."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, ensure_ascii=False)


def compiled(source: object, names: frozenset[str]) -> Template:
    """Compile a template that may use these names; raises `Unsupported`."""
    if not isinstance(source, str) or len(source) > MOST_LETTERS or "{%" in source or "{#" in source:
        raise Unsupported("statements and long templates are not read")
    parts: list[str | Term] = []
    end = 0
    for hole in _HOLE.finditer(source):
        parts += [source[end : hole.start()], _Reader(hole[1], names).whole()]
        end = hole.end()
    parts.append(source[end:])
    if any(isinstance(part, str) and "{{" in part for part in parts):
        raise Unsupported("brackets do not match")
    terms = [part for part in parts if not isinstance(part, str)]
    alone = len(terms) == 1 and not any(isinstance(part, str) and part.strip() for part in parts)
    return Template(tuple(terms if alone else (part for part in parts if part != "")))


class _Reader:
    """Reads one `{{ … }}`: sums of filtered paths and numbers."""

    def __init__(self, source: str, names: frozenset[str]) -> None:
        self._tokens = list(_tokens(source))
        self._names = names
        self._at = 0
        self._deep = 0

    def whole(self) -> Term:
        term = self._sum()
        if self._at != len(self._tokens):
            raise Unsupported("more than one term")
        return term

    def _peek(self, offset: int = 0) -> tuple[str, str]:
        at = self._at + offset
        return self._tokens[at] if at < len(self._tokens) else ("end", "")

    def _take(self, kind: str = "", word: str = "") -> str:
        found, value = self._peek()
        if (kind and found != kind) or (word and value != word) or found == "end":
            raise Unsupported(f"expected {word or kind}")
        self._at += 1
        return value

    def _sum(self) -> Term:
        self._deep += 1
        if self._deep > DEEPEST:
            raise Unsupported("too deep")
        term = self._filtered()
        rank = ""
        while self._peek()[0] == "sign" and self._peek()[1] in _SIGNS:
            sign = self._take()
            if rank and (sign in "*/") != (rank in "*/"):
                raise Unsupported("mixed signs without brackets")
            rank = sign
            term = _combined(_SIGNS[sign], term, self._filtered())
        return term

    def _filtered(self) -> Term:
        term = self._first()
        while self._peek() == ("sign", "|"):
            self._take()
            name = self._take("name")
            if name not in _FILTERS:
                raise Unsupported(f"the filter {name}")
            term = _FILTERS[name](term, self._arguments())
        return term

    def _first(self) -> Term:
        kind, value = self._peek()
        if (kind, value) == ("sign", "("):
            self._take()
            term = self._sum()
            self._take("sign", ")")
            return term
        if kind == "name" and value in self._names:
            self._take()
            return _path(value, tuple(self._steps()))
        return _literal(self._constant())

    def _constant(self) -> Any:
        kind, value = self._peek()
        if kind == "number":
            return float(self._take()) if "." in value else int(self._take())
        if kind == "text":
            return self._take()
        raise Unsupported(f"the word {value[:20]!r}")

    def _steps(self) -> Iterator[str | int]:
        while self._peek() in (("sign", "."), ("sign", "[")):
            if self._take() == ".":
                yield self._take("name")
            else:
                yield self._constant()
                self._take("sign", "]")

    def _arguments(self) -> list[Any]:
        found: list[Any] = []
        if self._peek() != ("sign", "("):
            return found
        self._take()
        while self._peek() != ("sign", ")"):
            found.append(self._constant())
            if self._peek() == ("sign", ","):
                self._take()
        self._take()
        return found


def _tokens(source: str) -> Iterator[tuple[str, str]]:
    at, source = 0, source.strip()
    while at < len(source):
        found = _TOKEN.match(source, at)
        if not found or found.lastgroup is None:
            raise Unsupported(f"the sign {source[at]!r}")
        yield "text" if found.lastgroup == "text2" else found.lastgroup, found[found.lastgroup]
        at = found.end()


def _literal(value: Any) -> Term:
    return lambda scope: value


def _path(name: str, steps: tuple[str | int, ...]) -> Term:
    def walk(scope: Scope) -> Any:
        value: Any = scope.get(name)
        for step in steps:
            listed = isinstance(value, list) and isinstance(step, int) and step < len(value)
            if not listed and not (isinstance(value, dict) and step in value):
                raise Nothing(name)
            value = value[step]
        if value is None:
            raise Nothing(name)
        return value

    return walk


def _combined(sign: Callable[[float, float], float], left: Term, right: Term) -> Term:
    return lambda scope: sign(_number(left(scope)), _number(right(scope)))


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("no number")
    return value


def _defaulted(term: Term, given: list[Any]) -> Term:
    def either(scope: Scope) -> Any:
        try:
            return term(scope)
        except Nothing:
            if not given:
                raise
            return given[0]

    return either


def _plain(change: Callable[..., Any]) -> Callable[[Term, list[Any]], Term]:
    return lambda term, given: lambda scope: change(term(scope), *given)


_FILTERS: Mapping[str, Callable[[Term, list[Any]], Term]] = {
    "int": _plain(lambda value, *_: int(float(value))),
    "float": _plain(lambda value, *_: float(value)),
    "round": _plain(lambda value, digits=0, *_: round(float(value), int(digits))),
    "abs": _plain(abs),
    "lower": _plain(lambda value: text(value).lower()),
    "upper": _plain(lambda value: text(value).upper()),
    "trim": _plain(lambda value: text(value).strip()),
    "string": _plain(text),
    "tojson": _plain(lambda value: json.dumps(value)),
    "to_json": _plain(lambda value: json.dumps(value)),
    "is_defined": _plain(lambda value: value),
    "default": _defaulted,
    "d": _defaulted,
}
