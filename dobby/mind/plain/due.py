"""Where time begins: a text that names an hour, a delay or an event to wait for is never carried out now.

It does not know how to keep appointments; the schedule will, and this is its way in.
"""

from collections.abc import Iterable

from dobby.mind.plain.clause import Clause


def waits(row: Iterable[Clause]) -> bool:
    """Something is to happen at another time than now."""
    return any("time" in clause.blocks for clause in row)
