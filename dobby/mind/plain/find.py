"""Descriptions to devices: which of the house's things are meant, and what to say where that is not certain.

A name beats a description; a place not said is the one just talked about, the only one, or where the speaker is; else it asks.
It does not know what is to be done, only which devices it may be done to.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from rapidfuzz import fuzz, process

from dobby.house.model import Device
from dobby.mind.plain.clause import Clause, Item
from dobby.mind.plain.index import Index
from dobby.mind.plain.lexicon import generic, meaning
from dobby.mind.plain.words import fold_all, stem
from dobby.mind.plan import Context

Allowed = Callable[[Device], bool]
_LONGEST = 60
_FAR = 2.0
_EXACT, _NOUN, _NEXT, _LOOSE = 4.0, 3.0, 2.0, 1.0


@dataclass(frozen=True, slots=True)
class Found:
    """`devices` are meant; `rivals` are the ones to choose from; `unfit` were meant but cannot; `reason` tells why none is."""

    devices: tuple[str, ...] = ()
    rivals: tuple[str, ...] = ()
    unfit: tuple[str, ...] = ()
    reason: str = ""
    word: str = ""
    places: tuple[str, ...] = ()


class Finder:
    """Finds in one index, for one conversation; `talked` grows with what earlier clauses were about."""

    def __init__(self, index: Index, context: Context, talked: Sequence[str]) -> None:
        self.index, self.context, self.talked = index, context, talked
        self.fresh: list[str] = []  # what this very text was about so far

    def find(self, clause: Clause, allowed: Allowed, prefer: Allowed | None = None, parts: bool = False) -> Found:
        """The devices a clause is about, of those that are allowed."""
        if clause.soft:
            found = self.find(replace_items(clause, [*clause.items, *clause.soft]), allowed, prefer, parts)
            if found.devices or found.rivals:
                return found
            clause = replace_items(clause, clause.items)
        places = self._places(clause)
        if isinstance(places, Found):
            return places
        if clause.flags & {"it", "other"} and not [item for item in clause.items if item.nouns or item.devices]:
            return self._pronoun(clause, allowed, places)
        scores = self._scores(clause, places)
        if isinstance(scores, Found):
            return scores
        pool = {key: level for key, level in scores.items() if self._may(key, clause, allowed, parts)}
        if not pool or max(scores.values()) - max(pool.values()) >= _FAR:
            return self._none(clause, scores, places)  # "the brightness of the tv" is not that of the TV Backlight
        spared = self._spared(clause)
        if spared is None:
            return Found(reason="unknown", word=" ".join(item.text for items in clause.spared for item in items))
        rest = {key: level for key, level in pool.items() if key not in spared}
        if spared and places is None:
            clause, rest = self._among(clause, rest, spared)
        return self._choose(clause, rest, places, prefer)

    def _among(self, clause: Clause, rest: dict[str, float], spared: set[str]) -> tuple[Clause, dict[str, float]]:
        """What an exception tells of the rest: sparing a room means all the others, sparing a lamp those beside it."""
        if all(item.is_place for items in clause.spared for item in items):
            return replace(clause, flags=clause.flags | {"all"}), rest
        if clause.flags & {"all", "house", "everything"}:
            return clause, rest
        rooms = {self.index.devices[key].room for key in spared}
        return clause, {key: level for key, level in rest.items() if self.index.devices[key].room in rooms} or rest

    def all_of(self, clause: Clause, allowed: Allowed) -> Found:
        """Everything a question is about: parts too, and never a question back where several fit."""
        places = self._places(clause)
        if isinstance(places, Found):
            return places
        if clause.flags & {"it", "other"} and not clause.items:
            return self._pronoun(clause, allowed, places)
        scores = self._scores(clause, places)
        if isinstance(scores, Found):
            return scores
        pool = {key: level for key, level in scores.items() if allowed(self.index.devices[key])}
        if not pool:
            return self._none(clause, scores, places)
        best = max(pool.values())
        pool = {key: level for key, level in pool.items() if level == best or clause.many}
        if not clause.many:
            pool = self._closest(pool, clause)
        return Found(devices=self._sorted(pool))

    def near(self, word: str) -> list[str]:
        """The names nearest to a word nobody knows: rooms and devices."""
        out: list[str] = []
        for part in fold_all(word[:_LONGEST])[:3]:
            found = process.extract(part, sorted(self.index.vocabulary), scorer=fuzz.ratio, score_cutoff=74, limit=2)
            for near, _, _ in found:
                rooms = [room.name for key, rooms in self.index.rooms.items() if stem(near) in key for room in rooms]
                devices = self._sorted(self.index.by_word.get(stem(near), ()))
                out += rooms[:2] or [self.index.devices[key].name for key in devices[:2]]
        return list(dict.fromkeys(out))[:3]

    def _sorted(self, keys: Iterable[str]) -> tuple[str, ...]:
        """In the house's own order, so that the same text always means the same."""
        return tuple(sorted(keys, key=self.index.order.__getitem__))

    def _places(self, clause: Clause) -> "frozenset[str] | Found | None":
        """The rooms that are said; None where none is."""
        if "here" in clause.flags:
            return frozenset({self.context.here.casefold()}) if self.context.here else Found(reason="where")
        if "there" in clause.flags:
            rooms_there = [self.index.devices[key].room.casefold() for key in self.talked if key in self.index.devices]
            return frozenset(rooms_there[:1]) if rooms_there and rooms_there[0] else Found(reason="where")
        rooms: list[frozenset[str]] = []
        for item in clause.items:
            if item.is_place or (item.rooms and not item.nouns):
                names = item.rooms or tuple(self.index.level(item.level))
                if not names:
                    return Found(reason="unknown", word=item.text)
                rooms.append(frozenset(name.casefold() for name in names))
        return frozenset.intersection(*rooms) if rooms else None

    def _scores(self, clause: Clause, places: "frozenset[str] | None") -> "dict[str, float] | Found":
        tables: list[Mapping[str, float]] = []
        for item in sorted(clause.items, key=lambda item: not (item.devices or item.rooms)):
            among = min(tables, key=len) if tables else None
            table = self.levels(item, among)
            if not table and (among is None or not self.levels(item)):
                return Found(reason="none_in" if item.is_place else "unknown", word=item.text)
            tables.append(table)
        if not tables or clause.flags & {"here", "there"}:
            here = self.index.in_rooms(places) if places is not None else self.index.devices
            tables.append(dict.fromkeys(here, _NOUN))
        tables.sort(key=len)
        scores = dict(tables[0])
        for table in tables[1:]:
            scores = {key: level + table[key] for key, level in scores.items() if key in table}
        return scores

    def levels(self, item: Item, among: Collection[str] | None = None) -> Mapping[str, float]:
        """Every device a description fits, and how well; with `among`, only those matter."""
        out: dict[str, float] = {}
        rooms_named = list(self._in_partial(item))
        loose = _LOOSE if item.nouns else _NEXT if rooms_named else _NOUN
        for key in self._worded(item.stems):
            if not item.is_place or len(item.stems) == 1 or self._in_a_row(key, item.stems):
                out[key] = loose
        for key in rooms_named:
            out[key] = max(out.get(key, 0), _NEXT)
        for noun in item.nouns:
            words = set(item.stems) - {stem(noun)}
            own = item.stems not in generic(noun) and not item.many
            meant = self.index.noun(noun)
            for key in meant if among is None or len(among) > len(meant) else [key for key in among if key in meant]:
                level = meant[key]
                bonus = 0.5 if own and (key in out or words & self.index.words[key]) else 0.0
                out[key] = max(out.get(key, 0), level + bonus)
        for key in self.index.in_rooms(item.rooms or (self.index.level(item.level) if item.level else ())):
            out[key] = max(out.get(key, 0), _NOUN if not item.nouns else _NEXT)
        for key in item.devices:
            out[key] = max(out.get(key, 0), _EXACT)
        return out

    def _in_a_row(self, key: str, words: tuple[str, ...]) -> bool:
        """Is it called so: the lights of the main bedroom are not the main light of a bedroom."""
        names = self.index.called[key]
        return any(name[at : at + len(words)] == words for name in names for at in range(len(name)))

    def _worded(self, stems: Sequence[str]) -> Iterable[str]:
        rows = [self.index.by_word.get(word, set()) for word in stems]
        return set.intersection(*rows) if rows else ()

    def _in_partial(self, item: Item) -> Iterable[str]:
        """`dining` for the dining room; rooms said in full are a place already."""
        if item.rooms or item.devices or item.nouns or item.level:
            return ()
        wanted = set(item.stems)
        return self.index.in_rooms(room for room, words in self.index.room_words.items() if wanted <= words)

    def _may(self, key: str, clause: Clause, allowed: Allowed, parts: bool) -> bool:
        device = self.index.devices[key]
        if ((device.part_of and not parts) or device.protected) and not self._named(key, clause):
            return False
        return allowed(device)

    def _named(self, key: str, clause: Clause) -> bool:
        """Called by a name of its own, not only by what it is or where."""
        own = (item for item in clause.items if not (item.nouns or item.is_place))
        return self.exact(key, clause) > 0 or any(set(item.stems) <= self.index.words[key] for item in own)

    def _none(self, clause: Clause, scores: Mapping[str, float], places: "frozenset[str] | None") -> Found:
        word = " ".join(item.text for item in clause.items)
        rooms = tuple(room.name for room in self.index.house.rooms if places and room.name.casefold() in places)
        if scores:
            best = max(scores.values())
            return Found(unfit=tuple(key for key in scores if scores[key] == best), reason="unfit", word=word, places=rooms)
        return Found(reason="none_in" if rooms else "unknown", word=word, places=rooms)

    def _spared(self, clause: Clause) -> set[str] | None:
        """What `except …` takes out; None where that is not understood."""
        out: set[str] = set()
        for items in clause.spared:
            exact = [item for item in items if item.devices and not item.many]
            tables: list[Mapping[str, float]] = [dict.fromkeys(item.devices, _EXACT) for item in exact]
            tables = tables or [self.levels(item) for item in items]
            if not tables or not all(tables):
                return None
            out |= set.intersection(*(set(table) for table in tables))
        return out

    def exact(self, key: str, clause: Clause) -> int:
        """2: called just that; 1: every word of its name is said (or is its room, said or stood in); 0: only described."""
        said = tuple(word for item in clause.items for word in item.stems)
        device = self.index.devices[key]
        if said in self.index.called[key]:
            return 2
        room = device.room.casefold()
        places = {self.context.here.casefold(), *(name.casefold() for item in clause.items for name in item.rooms)}
        covered = Counter(word for item in clause.items if not item.is_place for word in item.stems)
        own = self.index.room_words.get(room, frozenset()) if room in places else frozenset()
        covered += Counter(own | set(said) - covered.keys())
        named = any(Counter(name) <= covered and set(name) & set(said) for name in self.index.called[key])
        return 1 if named and not all(item.is_place for item in clause.items) else 0

    def _choose(self, clause: Clause, pool: dict[str, float], places: "frozenset[str] | None", prefer: Allowed | None) -> Found:
        if not pool:
            return Found(reason="all_spared")
        best = max(pool.values())
        if not (clause.many and all(item.rooms or item.level for item in clause.items)):
            pool = {key: level for key, level in pool.items() if level == best}
        if not clause.many or any(item.devices and not item.many for item in clause.items):
            pool = self._closest(pool, clause)
        if len(pool) == 1:
            return Found(devices=self._sorted(pool))
        named = places is not None or any(not item.nouns for item in clause.items)
        if clause.flags & {"all", "house", "everything"} or (named and clause.many):
            return self._all(clause, pool, named)
        return self._narrow(clause, list(pool), prefer, named)

    def _closest(self, pool: dict[str, float], clause: Clause) -> dict[str, float]:
        nearness = {key: self.exact(key, clause) for key in pool}
        top = max(nearness.values())
        near = [key for key in pool if nearness[key] == top]
        said = " ".join(item.text for item in clause.items).casefold()
        same = [key for key in near if self.index.devices[key].name.casefold() == said]  # a door beside one called Doors
        return {key: pool[key] for key in same or near}

    def _all(self, clause: Clause, pool: Mapping[str, float], named: bool) -> Found:
        if "both" in clause.flags and len(pool) != 2:
            return Found(rivals=self._sorted(pool), reason="which")
        partial = [item for item in clause.items if not (item.nouns or item.rooms or item.level or item.devices)]
        rooms = {self.index.devices[key].room.casefold() for key in pool}
        if partial and "all" not in clause.flags and len(rooms) > 1 and self._are_rooms(partial):
            return Found(rivals=self._sorted(pool), reason="where")
        return Found(devices=self._sorted(pool))

    def _are_rooms(self, items: Iterable[Item]) -> bool:
        return any(set(item.stems) <= words for item in items for words in self.index.room_words.values())

    def _narrow(self, clause: Clause, pool: list[str], prefer: Allowed | None, named: bool) -> Found:
        steps: list[Callable[[list[str]], list[str]]] = []
        if not named and self.fresh:
            steps += [lambda row: [key for key in row if key in self.fresh], partial(self._beside, self.fresh)]
        if prefer:
            steps.append(lambda row: [key for key in row if prefer(self.index.devices[key])])
        if not named:
            steps += [self._talked, partial(self._beside, self.talked), self._here]
        for step in steps:
            narrowed = step(pool)
            pool = narrowed or pool
            if len(pool) == 1 or (narrowed and not named and step != steps[0] and self._together(clause, pool)):
                return Found(devices=self._sorted(pool))
        if self._together(clause, pool):
            return Found(devices=self._sorted(pool))
        rooms = {self.index.devices[key].room for key in pool}
        return Found(
            rivals=self._sorted(pool), reason="where" if (clause.many or not clause.items) and len(rooms) > 1 else "which"
        )

    def _together(self, clause: Clause, pool: Sequence[str]) -> bool:
        rooms = {self.index.devices[key].room.casefold() for key in pool}
        if "both" in clause.flags:
            return len(pool) == 2
        unsaid = not clause.items and clause.attr in ("brightness", "color", "color_temp")  # of the light in a room
        return (clause.many or unsaid) and len(rooms) == 1

    def _talked(self, pool: list[str]) -> list[str]:
        return [key for key in pool if key in self.talked]

    def _beside(self, known: Sequence[str], pool: list[str]) -> list[str]:
        rooms = {self.index.devices[key].room.casefold() for key in known if key in self.index.devices}
        rooms.discard("")
        return [key for key in pool if self.index.devices[key].room.casefold() in rooms]

    def _here(self, pool: list[str]) -> list[str]:
        here = self.context.here.casefold()
        return [key for key in pool if here and self.index.devices[key].room.casefold() == here]

    def _pronoun(self, clause: Clause, allowed: Allowed, places: "frozenset[str] | None") -> Found:
        known = [key for key in self.talked if key in self.index.devices]
        if not known:
            return Found(reason="what")
        if "other" in clause.flags:
            return self._other(clause, known, allowed)
        fit = [key for key in known if allowed(self.index.devices[key])]
        return Found(devices=self._sorted(fit)) if fit else Found(unfit=tuple(known), reason="unfit")

    def _other(self, clause: Clause, known: list[str], allowed: Allowed) -> Found:
        """Of the same kind as what was talked about, but not that: nearest first."""
        first = self.index.devices[known[0]]
        kin = [key for key in self.index.by_kind[first.kind] if key not in known and allowed(self.index.devices[key])]
        same_class = [key for key in kin if self.index.devices[key].device_class == first.device_class] or kin
        same_room = [key for key in same_class if self.index.devices[key].room == first.room] or same_class
        if len(same_room) == 1:
            return Found(devices=tuple(same_room))
        return Found(rivals=tuple(same_room), reason="which" if same_room else "unknown", word=first.kind)


def replace_items(clause: Clause, items: list[Item]) -> Clause:
    """The same clause about something else."""
    return replace(clause, items=items, soft=[])


def in_bare_place(clause: Clause, device: Device) -> bool:
    """A bare place ("the kitchen") reaches only what the verb usually means there."""
    kinds = meaning()["bare"].get(clause.verb)
    return kinds is None or device.kind in kinds
