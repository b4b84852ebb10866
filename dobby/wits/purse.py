"""What may be spent on models, and what was: every answer is a row, and at the day's or month's limit there is none.

It does not know who asks, nor how the owners hear of it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import tzinfo
from functools import partial

from dobby.clock import Clock, local
from dobby.config import ModelConfig
from dobby.journal import costs
from dobby.journal.costs import Cost
from dobby.store import Store
from dobby.wits.llm import Answer, Bill, NoModel, price, rate

WARN = 0.8  # of a limit


@dataclass(slots=True)
class Purse:
    """The house's. `whom` says on whose behalf is asked just now (person, event); `warn` is told once for each limit that is
    nearly or quite reached: a key that names it, `day` or `month`, dollars spent, dollars allowed."""

    config: ModelConfig
    store: Store
    clock: Clock
    zone: tzinfo | None
    whom: Callable[[], tuple[str, int | None]]
    warn: Callable[[str, str, float, float], None]
    _spent: dict[str, float] = field(default_factory=dict)  # of the day and the month, as rows say

    async def may(self) -> None:
        """Nothing, where more may be spent.

        :raises NoModel: the day's or the month's limit is reached.
        """
        for span, (since, most, name) in self._spans().items():
            if most and name not in self._spent:
                self._spent[name] = await self.store.read(partial(costs.spent, since=since))
            if most and self._spent[name] >= most:
                raise NoModel("model_budget", f"This {span}'s money for the model is spent.", again=True)

    def _spans(self) -> dict[str, tuple[float, float, str]]:
        """Since when, how much, and the key of each limit as it is now."""
        now = local(self.clock.now(), self.zone)
        day = now.replace(hour=0, minute=0, second=0, microsecond=0)
        month = day.replace(day=1).timestamp()
        days, months = (day.timestamp(), self.config.daily, f"{now:%Y-%m-%d}"), (month, self.config.monthly, f"{now:%Y-%m}")
        return {"day": days, "month": months}

    def meter(self, role: str, answer: Answer) -> Bill:
        """An answer's cost, to be written down; who watches the money hears at four fifths and at the end of it."""
        person, event = self.whom()
        used, amount = answer.used, price(self.config, answer.model, answer.used)
        detail = {"in": used.fresh, "cached": used.cached, "written": used.written, "out": used.out}
        seldom = {"searches": used.searches, "of unknown price": int(rate(self.config, answer.model) is None)}
        detail |= {name: count for name, count in seldom.items() if count}
        cost = Cost("model", answer.model, amount, self.clock.now(), role, person, event, detail=detail)
        for span, (_, most, name) in self._spans().items():
            if name in self._spent:
                self._spent[name] = spent = self._spent[name] + amount
                if spent >= WARN * most:
                    self.warn(f"{name}:{int(spent >= most)}", span, spent, most)
        return lambda db: costs.add(db, cost)
