"""The decorators of a skill's functions: a signature is a schema, the decorator's name is the level.

`@read` looks, `@act` does what can be undone, `@guarded` asks an owner each time; `@device` opens what other functions
are handed by name. It does not know who may call.
"""

import inspect
import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, overload

from dobby.errors import Refused, SkillError

Level = Literal["read", "act", "guarded"]
LEVELS: Sequence[str] = ("read", "act", "guarded")
F = TypeVar("F", bound=Callable[..., Any])

MARK = "__dobby_tool__"
OPENER = "__dobby_device__"


@dataclass(frozen=True, slots=True)
class Mark:
    """What a decorator leaves on a function: the level, and sentences the plain mind knows it by."""

    level: Level
    says: tuple[str, ...] = ()


class Decorator:
    """Makes a function a tool of one level; `says` are sentences for the plain mind (`boil [the] kettle`)."""

    def __init__(self, level: Level) -> None:
        self._level = level

    @overload
    def __call__(self, function: F, /) -> F: ...
    @overload
    def __call__(self, *, says: str | Sequence[str] = ()) -> Callable[[F], F]: ...
    def __call__(self, function: Any = None, *, says: str | Sequence[str] = ()) -> Any:
        def put(wrapped: F) -> F:
            sentences = (says,) if isinstance(says, str) else tuple(says)
            setattr(wrapped, MARK, Mark(self._level, sentences))
            return wrapped

        return put if function is None else put(function)


@dataclass(frozen=True, slots=True)
class Picture:
    """What a function may answer instead of words alone: `says`, and a picture (PNG, JPEG or WebP) as bytes."""

    says: str
    data: bytes


read = Decorator("read")
act = Decorator("act")
guarded = Decorator("guarded")


def device(opener: F) -> F:
    """Mark an async generator that opens something for one call and closes it after: `yield` hands it to the functions
    that have a parameter of its name. Its own parameters come from the skill's table in `dobby.toml`."""
    setattr(opener, OPENER, True)
    return opener


@dataclass(frozen=True, slots=True)
class Tool:
    """One function of a skill, ready to be called: its name (`kettle.boil`), level, schema and what it is handed."""

    name: str
    level: Level
    description: str
    schema: Mapping[str, Any]
    says: tuple[str, ...]
    function: Callable[..., Coroutine[Any, Any, Any]]
    given: tuple[str, ...]
    _model: Any

    def check(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments, validated and converted.

        :raises Refused: they do not fit the schema; says which and why.
        """
        from pydantic import ValidationError

        try:
            model = self._model.model_validate(dict(args))
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, row['loc']))}: {row['msg']}" for row in error.errors())
            raise Refused(f"{self.name} cannot be called so: {faults}") from error
        return {name: getattr(model, name) for name in self._model.model_fields}


def _check_sentence(name: str, sentence: str, parameters: set[str]) -> None:
    """Is it a template (https://github.com/OHF-Voice/hassil) that asks for nothing but the function's parameters."""
    from hassil import parse_sentence

    try:
        parse_sentence(sentence)
    except Exception as error:  # the template library raises several kinds, assertions among them
        raise SkillError(f"{name} has a sentence that cannot be read, {sentence!r}: {error}") from error
    unknown = set(re.findall(r"{(\w+)", sentence)) - parameters or set(re.findall(r"<\w+>", sentence))
    if unknown:
        raise SkillError(f"{name} has no parameter {', '.join(sorted(unknown))}, but its sentence {sentence!r} does.")


def make_tool(skill: str, function: Callable[..., Any], openers: Sequence[str]) -> Tool:
    """A decorated function as a tool: pydantic makes the schema of what is not injected (`home`, openers)."""
    from pydantic import ConfigDict, create_model

    mark: Mark = getattr(function, MARK)
    name = f"{skill}.{function.__name__}"
    description = inspect.getdoc(function)
    if not description:
        raise SkillError(f"{name} has no docstring; it is what the mind reads.")
    if not inspect.iscoroutinefunction(function):
        raise SkillError(f"{name} must be `async def`, so that it cannot hold up the house.")
    parameters = inspect.signature(function, eval_str=True).parameters
    given = tuple(p for p in parameters if p == "home" or p in openers)
    for sentence in mark.says:
        _check_sentence(name, sentence, set(parameters) - set(given))
    shape = {
        p: (row.annotation if row.annotation is not row.empty else str, ... if row.default is row.empty else row.default)
        for p, row in parameters.items()
        if p not in given
    }
    model = create_model(name.replace(".", "_"), __config__=ConfigDict(extra="forbid"), **shape)  # type: ignore[call-overload]
    return Tool(name, mark.level, description, model.model_json_schema(), mark.says, function, given, model)
