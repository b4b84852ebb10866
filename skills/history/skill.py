"""What was, in figures and pictures: what used how much, what it cost, why so much, what uses it now, the course of a thing.

`meter.py` adds up, `words.py` speaks, `pictures.py` says what is drawn. It does not know where the past is kept.
"""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

from dobby import Home, Picture, act, device, read

from . import pictures
from .book import Book, Rates, What, rate_of
from .chart import missing, png
from .meter import Meter, Run, watts
from .plan import plan as plan
from .words import Words, price_in

MOST = 5  # things that are named
DAY = 86400.0
SURE = 0.8  # the share of a stretch a meter must have been heard in to count as usual
LEAST = 3  # stretches before it that make something usual
IDLE = 1.0  # W: less is nothing


@device
async def rates(price: float = 0.0, currency: str = "", meter: str = "") -> AsyncIterator[Rates]:
    """The skill's own table in `dobby.toml`."""
    yield Rates(float(price), str(currency), str(meter))


@act(
    says=[
        "[our|the] (electricity|power|kwh|kilowatt hour) [now] (costs|costs us|costs me) [now] {price}",
        "(a|one|each) (kwh|kilowatt hour) [of (electricity|power)] [now] costs [us] {price}",
        "[our|the|my] (electricity|power) price is [now] {price}",
        "[der|unser|mein] strom kostet [jetzt|uns|mich] {price}",
        "(eine|die|jede) (kwh|kilowattstunde) [strom] kostet [jetzt] {price}",
        "[unser|der|mein] strompreis (ist|beträgt) [jetzt] {price}",
    ]
)
async def tariff(home: Home, rates: Rates, price: str) -> str:
    """Keep what a kWh costs, as somebody said it ("32 cents", "0.32 €")."""
    words = Words.of(home.manner)
    found = price_in(price, home.manner, rate_of(home, rates)[1])
    if found is None:
        return words.say("tariff_odd", said=price[:60])
    await home.vault.put("price", json.dumps(found))
    return words.say("tariff", price=words.price(*found))


@read(
    says=[
        "(what|how much) (does|do) [our|the] (electricity|power|a kwh|a kilowatt hour|one kwh) cost",
        "what [is|are|s] [our|the|my] (electricity|power) (price|tariff|rate)",
        "(was|wie viel|wieviel) kostet (der strom|strom|unser strom|eine kwh|eine kilowattstunde)",
        "wie (hoch ist|ist) (der|unser) strompreis",
    ]
)
async def price(home: Home, rates: Rates) -> str:
    """What a kWh costs, as far as somebody said."""
    words, (amount, currency) = Words.of(home.manner), rate_of(home, rates)
    return words.say("price", price=words.price(amount, currency)) if amount else words.say("price_none")


@read
async def used(home: Home, rates: Rates, since: float, until: float, what: What = [], language: str = "") -> str | Picture:  # noqa: B006
    """How much electricity things used (none named: the house) between two instants, and what it cost.

    `what` are pairs of a device's id and "". Two days or more come with a picture.
    """
    return await _used(Book(home, rates, since, until, language), what, picture=until - since > 1.5 * DAY)


@read
async def bars(home: Home, rates: Rates, since: float, until: float, what: What = [], language: str = "") -> str | Picture:  # noqa: B006
    """The same with a picture, by hours, days or months."""
    return await _used(Book(home, rates, since, until, language), what, picture=True)


async def _used(book: Book, what: What, *, picture: bool) -> str | Picture:
    words, chosen = book.words, book.asked(what)
    if not book.all:
        return words.say("no_meter")
    if what and not chosen:
        return words.say("no_such", name=words.join([_name(book.home, key) for key, _ in what]))
    text = await _amounts(book, chosen) if chosen else await _house(book)
    rows = chosen or book.whole
    known = (await book.total(rows, book.since, book.until)).kwh is not None
    if not picture or not known:
        return text
    if missing():
        return f"{text} {words.say('install')}"
    title = words.join([meter.name for meter in chosen]) if chosen else words.say("energy")
    return Picture(text, await png(await pictures.bars(book, rows, title)))


async def _amounts(book: Book, chosen: Sequence[Meter]) -> str:
    words, when, told = book.words, book.words.when(book.since, book.until), []
    for meter in chosen[:MOST]:
        run = await book.run(meter)
        amount = run.between(book.since, book.until)
        if amount.kwh is None:
            told.append(words.say("missing", name=meter.name, when=when))
            continue
        told.append(words.say("used", name=meter.name, amount=words.amount(amount.kwh), cost=book.cost(amount.kwh), when=when))
        told += _doubts(book, run)
    return " ".join(told)


def _doubts(book: Book, run: Run) -> list[str]:
    """What of an amount is not known."""
    words, told = book.words, []
    if run.since > book.since + 600:
        told.append(words.say("partly", time=words.moment(run.since)))
    start = max(run.since, book.since)
    silent = (1 - run.between(start, book.until).known) * (book.until - start)
    if silent > max(900.0, 0.01 * (book.until - start)):
        told.append(words.say("holes", span=words.span(silent)))
    return told


async def _house(book: Book) -> str:
    words, rows = book.words, book.whole
    total = await book.total(rows, book.since, book.until)
    when = words.when(book.since, book.until)
    if total.kwh is None:
        return words.say("missing", name=words.say("energy"), when=when)
    main = any(meter.main for meter in rows)
    key = "house" if main else "plugs"
    told = [words.say(key, amount=words.amount(total.kwh), cost=book.cost(total.kwh), when=when)]
    parts = await book.parts(total.kwh, book.since, book.until)
    if len(parts) > 1 or (parts and main):
        named = [words.say("share", name=label, amount=words.amount(kwh)) for label, kwh in parts[:MOST]]
        told.append(words.say("shares", names=words.join(named)))
    first = [await book.run(meter) for meter in rows]
    return " ".join([*told, *(_doubts(book, min(first, key=lambda run: run.since)) if first else [])])


@read
async def why(home: Home, rates: Rates, since: float, until: float, what: What = [], language: str = "") -> str:  # noqa: B006
    """Why so much electricity was used between two instants: the stretch beside the usual, and what used more than usual."""
    book = Book(home, rates, since, until, language)
    words = book.words
    if not book.all:
        return words.say("no_meter")
    shifts = _shifts(book)
    back = max(since - start for start, _ in shifts)
    rows = book.asked(what) or book.whole
    for meter in {meter.id: meter for meter in (*rows, *book.all)}.values():
        await book.run(meter, back)
    total = await book.total(rows, since, until)
    when = words.when(since, until)
    if total.kwh is None:
        return words.say("missing", name=words.say("energy"), when=when)
    key = "house" if any(meter.main for meter in rows) else "plugs"
    told = [words.say(key, amount=words.amount(total.kwh), cost=book.cost(total.kwh), when=when)]
    before = [await book.total(rows, *shift) for shift in shifts]
    sure = [(shift, one.kwh) for shift, one in zip(shifts, before, strict=True) if one.kwh is not None and one.known >= SURE]
    parts = await book.parts(total.kwh, book.since, book.until)
    if len(sure) < LEAST:
        named = [words.say("share", name=label, amount=words.amount(kwh)) for label, kwh in parts[:MOST]]
        return " ".join([*told, words.say("unknown_usual"), *([words.say("most", names=words.join(named))] if named else [])])
    usual = sum(kwh for _, kwh in sure) / len(sure)
    told += await _beside(book, total.kwh, usual, parts, [shift for shift, _ in sure])
    return " ".join([*told, *(await _peak(book, rows, total.kwh))])


async def _beside(
    book: Book, total: float, usual: float, parts: Sequence[tuple[str, float]], shifts: Sequence[tuple[float, float]]
) -> list[str]:
    """The stretch beside the usual, and who made the difference."""
    words = book.words
    if total <= usual * 1.05:
        named = [words.say("share", name=label, amount=words.amount(kwh)) for label, kwh in parts[:3]]
        return [words.say("low", usual=words.amount(usual)), *([words.say("most", names=words.join(named))] if named else [])]
    told = [words.say("high", usual=words.amount(usual), percent=round(100 * (total / usual - 1)) if usual else "∞")]
    mean: dict[str, float] = {}
    for shift in shifts:
        whole = (await book.total(book.whole, *shift)).kwh or 0.0
        for label, kwh in await book.parts(whole, *shift):
            mean[label] = mean.get(label, 0.0) + kwh / len(shifts)
    extra = sorted(((kwh - mean.get(label, 0.0), label, kwh) for label, kwh in parts), reverse=True)
    share = [row for row in extra if row[0] > max(0.1, 0.1 * (total - usual))][:3]
    named = [
        words.say("instead", name=label, amount=words.amount(kwh), usual=words.amount(mean.get(label, 0.0), large=kwh >= 1))
        for _, label, kwh in share
    ]
    return [*told, words.say("more", names=words.join(named))] if named else told


def _shifts(book: Book) -> list[tuple[float, float]]:
    """The same stretch on the fourteen days, eight weeks or twelve months before it, in the house's own time."""
    since, until = book.words.local(book.since), book.words.local(book.until)
    length = book.until - book.since
    days, count = (
        (1, 14) if length <= 1.1 * DAY else (7, 8) if length <= 7.1 * DAY else (28 * max(1, round(length / DAY / 28)), 12)
    )
    steps = [timedelta(days=days * n) for n in range(1, count + 1)]
    return [((since - step).timestamp(), (until - step).timestamp()) for step in steps]


async def _peak(book: Book, rows: Sequence[Meter], total: float) -> list[str]:
    """The two busiest hours of a day or two, where they stand out."""
    words, start = book.words, book.words.local(book.since)
    if not 6 * 3600 < book.until - book.since <= 2 * DAY:
        return []
    hours = [start + timedelta(hours=n) for n in range(int((book.until - book.since) / 3600) - 1)]
    found = [((await book.total(rows, at.timestamp(), at.timestamp() + 7200)).kwh or 0.0, at) for at in hours]
    most, at = max(found, key=lambda row: row[0])
    if most < 0.25 * total:
        return []
    stop = words.local(at.timestamp() + 7200)
    return [words.say("peak", start=words.clock(at), stop=words.clock(stop), amount=words.amount(most))]


@read
async def now(home: Home, rates: Rates, since: float = 0.0, until: float = 0.0, what: What = [], language: str = "") -> str:  # noqa: B006
    """What uses power at this moment, in watts, largest first."""
    book = Book(home, rates, home.manner.now - 1, home.manner.now, language)
    words = book.words
    rows = book.asked(what) or [meter for meter in book.all if not meter.main]
    if not any(meter.power for meter in book.all):
        return words.say("no_meter")
    silent = [m.name for m in rows if m.power and await home.gaps(m.power, home.manner.now - 1, home.manner.now + 1)]
    told = {m.name: w for m in rows if m.name not in silent and (w := watts(home, m)) is not None and w >= IDLE}
    ranked = sorted(told.items(), key=lambda row: -row[1])
    named = [f"{label} {words.watts(amount)}" for label, amount in ranked[:MOST]]
    if len(ranked) > MOST:
        named.append(words.say("rest", count=len(ranked) - MOST, watts=words.watts(ranked[MOST - 1][1])))
    total = sum(told.values())
    said = [words.say("now", total=words.watts(total), names=words.join(named)) if named else words.say("now_none")]
    main = sum(watts(home, meter) or 0.0 for meter in book.all if meter.main)
    if main and not what:
        said.append(words.say("house_now", total=words.watts(main), rest=words.watts(max(0.0, main - total))))
    if silent:
        said.append(words.say("silent", names=words.join(silent[:MOST])))
    return " ".join(said)


@read
async def chart(home: Home, since: float, until: float, what: What, language: str = "") -> str | Picture:
    """A picture of traits over time, with their range in words; `what` are pairs of a device's id and a trait."""
    words = Words.of(home.manner, language)
    devices = {one.id: one for one in home.find()}
    pairs = [(devices[key], trait) for key, trait in what[: pictures.MOST] if key in devices]
    rows = [await pictures.course(home, one, trait, since, until, words) for one, trait in pairs]
    text = " ".join(row.told for row in rows)
    if not any(row.known for row in rows):
        return text
    if missing():
        return f"{text} {words.say('install')}"
    return Picture(text, await png(pictures.over_time([row for row in rows if row.known], since, until, words)))


def _name(home: Home, key: str) -> str:
    """What a device is called."""
    return next((one.name for one in home.find() if one.id == key), key)
