"""What may be spent on models, and what was: every answer is a row, and at the day's or month's limit there is none.

It does not know who asks, nor how the owners hear of it.
"""

from collections.abc import Callable
from datetime import datetime, tzinfo
from functools import partial

from dobby.clock import Clock, local
from dobby.config import ModelConfig
from dobby.journal import costs
from dobby.journal.costs import Cost
from dobby.store import Store
from dobby.wits.llm import Answer, NoModel, price

WARN = 0.8  # of a limit


class Purse:
    """The house's. `whom` says on whose behalf is asked just now (person, event); `warn` is told once for each limit that is
    nearly or quite reached: a key that names it, `day` or `month`, dollars spent, dollars allowed."""

    def __init__(
        self,
        config: ModelConfig,
        store: Store,
        clock: Clock,
        zone: tzinfo | None,
        whom: Callable[[], tuple[str, int | None]],
        warn: Callable[[str, str, float, float], None],
    ) -> None:
        self._config, self._store, self._clock, self._zone = config, store, clock, zone
        self._whom, self._warn = whom, warn

    async def may(self) -> None:
        """Nothing, where more may be spent.

        :raises NoModel: the day's or the month's limit is reached.
        """
        for span, most, spent in await self._spent():
            if most and spent >= most:
                raise NoModel("model_budget", f"This {span}'s money for the model is spent.", again=True)

    async def _spent(self) -> list[tuple[str, float, float]]:
        now = local(self._clock.now(), self._zone)
        day = now.replace(hour=0, minute=0, second=0, microsecond=0)
        spans = {"day": (day, self._config.daily), "month": (day.replace(day=1), self._config.monthly)}
        return [
            (span, most, await self._store.read(partial(costs.spent, since=since.timestamp())))
            for span, (since, most) in spans.items()
        ]

    async def meter(self, role: str, answer: Answer) -> None:
        """Write an answer's cost down; who watches the money hears at four fifths and at the end of it."""
        person, event = self._whom()
        used, amount = answer.used, price(self._config, answer.model, answer.used)
        detail = {"in": used.fresh, "cached": used.cached, "written": used.written, "out": used.out}
        cost = Cost("model", answer.model, amount, self._clock.now(), role, person, event, detail=detail)
        await self._store.write(lambda db: costs.add(db, cost))
        for span, most, spent in await self._spent():
            if most and spent >= WARN * most:
                self._warn(f"{_name(span, local(self._clock.now(), self._zone))}:{int(spent >= most)}", span, spent, most)


def _name(span: str, now: datetime) -> str:
    return f"{now:%Y-%m-%d}" if span == "day" else f"{now:%Y-%m}"
