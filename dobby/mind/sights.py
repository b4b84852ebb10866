"""What people say to the eyes: look there, sleep, tell me when …, nothing about …, ignore …, who came today?

Patterns of one language over folded words. It does not see anything, nor remember what it is asked to tell.
"""

import re
from collections.abc import Mapping
from functools import cache
from itertools import count
from typing import Any

from dobby.events import Call, State
from dobby.mind.plain.index import same_words, stems
from dobby.mind.plain.lexicon import read_yaml
from dobby.mind.plain.think import Thinker
from dobby.mind.plain.words import fold_all
from dobby.mind.plan import Interest, Order, Plan

MOST = 4  # cameras looked through at once
WAYS = ("in", "out", "across")  # over a line


@cache
def _table(language: str) -> Mapping[str, Any]:
    """The language's patterns, compiled: `<what>`, `<place>`, `<hours>` and `<day>` stand for its own."""
    raw = read_yaml(f"{language}/sights.yaml")
    nouns = sorted((word for words in raw["nouns"].values() for word in words), key=len, reverse=True)
    parts = {**raw["parts"], "what": f"(?P<what>{'|'.join(map(re.escape, nouns))})"}

    def filled(pattern: str) -> "re.Pattern[str]":
        whole, seen = re.sub(r"(?<!P)<(\w+)>", lambda found: parts[found[1]], pattern), count()
        return re.compile(re.sub(r"\(\?P<([a-z]+)\d*>", lambda found: f"(?P<{found[1]}{next(seen)}>", whole))

    meant = {word: kind for kind, words in raw["nouns"].items() for word in words}
    orders = {name: [filled(row) for row in rows] for name, rows in raw["orders"].items()}
    return {**raw, "orders": orders, "meant": meant}


def sights_plan(text: str, thinker: Thinker) -> Plan | None:
    """What a text asks of the eyes; None where it asks nothing of them, or there is no camera."""
    if not thinker.index.by_kind.get("camera"):
        return None
    table, line = _table(thinker.speech.language), " ".join(fold_all(text))
    for order, patterns in table["orders"].items():
        for pattern in patterns:
            found = pattern.fullmatch(line)
            plan = _meant(order, found, text, thinker) if found else None
            if plan is not None:
                return plan
    return None


def _meant(order: str, found: "re.Match[str]", text: str, thinker: Thinker) -> Plan | None:
    table = _table(thinker.speech.language)
    groups = {name.rstrip("0123456789"): value.strip() for name, value in found.groupdict().items() if value}
    place, language = _known(groups.get("place", ""), thinker), thinker.speech.language
    kind = table["meant"].get(groups.get("what", ""), "")
    if order in ("see", "look", "sleep", "wake"):
        look = order in ("see", "look")
        cameras = _cameras(place, thinker)[:MOST] if place or look else []
        verb: State = {"verb": "snapshot"} if look else {"on": order == "wake"}
        if (order == "see" or kind in ("vehicle", "animal", "parcel")) and not cameras:
            return _no_lens(thinker)
        calls = tuple(Call("do" if look else "set", key, verb) for key in cameras)
        return Plan(calls, topic=tuple(cameras), language=language) if calls else None
    if order in ("draw", "cut", "wipe"):
        return _drawing(order, found, text, {**groups, "place": place}, thinker)
    courier = "" if not kind.startswith("=") else kind[1:]
    low, high = _hours(groups, table)
    begins = [
        found.start(name) for name, value in found.groupdict().items() if value and name.startswith(("said", "what", "place"))
    ]
    tail = len(found.string[min(begins) :].split()) if begins else 0
    lead = table["joins"].get(order, ("", ""))["said" not in groups]
    said = lead + " ".join(text.rstrip("?!. ").split()[-tail:]) if tail else ""
    way = next((way for way in WAYS if way in groups), "")
    interest = Interest(order, "" if courier else kind, courier, place, low, high, said, groups.get("day", ""), way)
    return Plan(order=Order.SIGHTS, interest=interest, language=language)


def _drawing(order: str, found: "re.Match[str]", text: str, groups: Mapping[str, str], thinker: Thinker) -> Plan:
    """A zone or a line of one camera's picture in words, by its name; one without is called as its place in the picture."""
    cameras, table = _cameras(groups["place"], thinker), _table(thinker.speech.language)
    if order != "wipe" and len(cameras) != 1:
        return _no_lens(thinker)
    begins = [found.start(name) for name, value in found.groupdict().items() if value and name.startswith(("name", "sides"))]
    first, count = len(found.string[: min(begins)].split()), len(groups.get("name", f"{groups.get('sides')} part").split())
    edges = [0.0, 0.0, 1.0, 1.0]
    for word in groups.get("sides", "").split():
        edge, start, sign = table["sides"][word]
        edges[edge] = start + sign * table["shares"][groups["share"]]
    left, top, right, bottom = edges
    points: list[Any] = [(left, top), (right, top), (right, bottom), (left, bottom)] if "sides" in groups else []
    points += [point for name in ("spot", "end") if name in groups for point in table["spots"][groups[name]]]
    said = " ".join(text.split()[first : first + count])
    interest = Interest(order, place=cameras[0] if order != "wipe" else "", said=said, points=tuple((x, y) for x, y in points))
    return Plan(order=Order.SIGHTS, interest=interest, language=thinker.speech.language)


def _no_lens(thinker: Thinker) -> Plan:
    every = thinker.speech.names(thinker.index.devices[key].name for key in _cameras("", thinker))
    return Plan(say=thinker.speech.say("no_lens", names=every), language=thinker.speech.language)


def _known(place: str, thinker: Thinker) -> str:
    """A place as a camera here is called: "einfahrt" is its Driveway."""
    return next((way for way in (place, *same_words().get(stems(place), ())) if _cameras(way, thinker)), place)


def _cameras(place: str, thinker: Thinker) -> list[str]:
    """The cameras a place names: by name first, then by room; all for none."""
    index, words = thinker.index, set(fold_all(place)) - set(_table(thinker.speech.language)["articles"])
    every = list(index.by_kind.get("camera", ()))
    if not words:
        return [] if place else every
    names = {key: [set(fold_all(name)) for name in (index.devices[key].name, *index.devices[key].aliases)] for key in every}
    by_name = [key for key in every if words in names[key]]
    alike = [key for key in every if any(words <= name or (name and name <= words) for name in names[key])]
    in_room = [key for key in every if index.devices[key].room and set(fold_all(index.devices[key].room)) <= words]
    return by_name or alike or in_room


def _hours(groups: Mapping[str, str], table: Mapping[str, Any]) -> tuple[float, float]:
    """From when to when in a day, in hours; 0, 24 for always."""
    low, high = table["parts_of_day"].get(groups.get("part"), (0.0, 24.0))
    since, until = (_hour(groups[name], table) if name in groups else edge for name, edge in (("since", low), ("until", high)))
    return since, until


def _hour(text: str, table: Mapping[str, Any]) -> float:
    if text in table["hours"]:
        return float(table["hours"][text])
    found = re.match(r"(\d{1,2})(?::(\d{2}))?(?: ?(am|pm))?", text)
    if found is None:
        return 0.0
    hour = int(found[1]) % 12 + 12 if found[3] == "pm" else int(found[1])
    return min(24.0, hour + int(found[2] or 0) / 60)
