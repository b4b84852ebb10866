"""The meters of a house and their past in one stretch of time, opened for one answer.

It does not know what is asked nor how it is told.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from dobby import Home

from .meter import Amount, Meter, Run, meters, run_of
from .words import Words

What = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Rates:
    """What the config says: the price of a kWh, its currency, the name of the house's meter."""

    price: float
    currency: str
    meter: str


def rate_of(home: Home, rates: Rates) -> tuple[float, str]:
    """The price of a kWh and its currency: what was said, else the config's."""
    said = home.vault.get("price")
    amount, currency = json.loads(said) if said else (rates.price, rates.currency)
    return float(amount), str(currency or ("$" if home.manner.units == "us" else "€"))


class Book:
    """The meters of the house and their past in one stretch of time, for one answer."""

    def __init__(self, home: Home, rates: Rates, since: float, until: float, language: str = "") -> None:
        self.home, self.rates = home, rates
        self.since, self.until = since, until
        self.words = Words.of(home.manner, language)
        self.all = meters(home, rates.meter)
        self._runs: dict[str, Run] = {}

    def asked(self, what: What) -> list[Meter]:
        """The meters of certain things."""
        wanted = {key for key, _ in what}
        return [meter for meter in self.all if {meter.id, *(part.id for part in (meter.counter, meter.power) if part)} & wanted]

    @property
    def whole(self) -> list[Meter]:
        """The meter of the house, else every meter there is."""
        main = [meter for meter in self.all if meter.main]
        return main or self.all

    async def run(self, meter: Meter, back: float = 0.0) -> Run:
        """A meter's past, from so many seconds before the stretch on."""
        if meter.id not in self._runs:
            self._runs[meter.id] = await run_of(self.home, meter, self.since - back, self.until)
        return self._runs[meter.id]

    async def total(self, rows: Sequence[Meter], since: float, until: float) -> Amount:
        """What several used together; known as far as the least known of them."""
        found = [(await self.run(meter)).between(since, until) for meter in rows]
        known = [one for one in found if one.kwh is not None]
        if not known:
            return Amount(None, 0.0)
        return Amount(sum(one.kwh or 0.0 for one in known), min(one.known for one in known))

    def cost(self, kwh: float) -> str:
        """` (€5.89)`, or nothing where no price is known."""
        amount, currency = rate_of(self.home, self.rates)
        return f" ({self.words.money(kwh * amount, currency)})" if amount else ""

    async def parts(self, total: float, since: float, until: float) -> list[tuple[str, float]]:
        """Who used how much of the whole, most first; with a meter of the house, also what nothing else measures."""
        rows = [(meter.name, (await self.run(meter)).between(since, until).kwh or 0.0) for meter in self.all if not meter.main]
        rest = total - sum(kwh for _, kwh in rows)
        named = sorted((row for row in rows if row[1] > 0.005), key=lambda row: -row[1])
        unmetered = any(meter.main for meter in self.all) and rows and rest > 0.02 * total
        return [*named, (self.words.say("unmetered"), rest)] if unmetered else named
