"""The decorators of a skill's functions: a signature is a schema, the decorator's name is the level.

`@read` looks, `@act` does what can be undone, `@guarded` asks an owner each time. It does not know who may call.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, overload

Level = Literal["read", "act", "guarded"]
F = TypeVar("F", bound=Callable[..., Any])

MARK = "__dobby_tool__"


@dataclass(frozen=True, slots=True)
class Mark:
    """What a decorator leaves on a function: the level, and sentences the plain mind knows it by."""

    level: Level
    says: tuple[str, ...] = ()


def _decorator(level: Level) -> Any:
    @overload
    def mark(function: F, /) -> F: ...
    @overload
    def mark(*, says: str | Sequence[str] = ()) -> Callable[[F], F]: ...
    def mark(function: Any = None, /, *, says: str | Sequence[str] = ()) -> Any:
        def put(wrapped: F) -> F:
            sentences = (says,) if isinstance(says, str) else tuple(says)
            setattr(wrapped, MARK, Mark(level, sentences))
            return wrapped

        return put if function is None else put(function)

    mark.__name__ = level
    mark.__doc__ = f"Make a function a tool of level `{level}`; `says` are sentences for the plain mind (`boil [the] kettle`)."
    return mark


read = _decorator("read")
act = _decorator("act")
guarded = _decorator("guarded")
