"""What the devices and places of a house are called, so that words find them at once, however many there are.

Built anew when names change. It does not know what is asked of what it finds.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from dobby.house.model import Device, Room
from dobby.house.registry import House
from dobby.mind.plain.lexicon import Key, meaning, read_list
from dobby.mind.plain.words import fold_all, listed, stem

_FRONTS = ("aussen", "innen")  # German joins where others set apart: "Außentemperatur" is outside
GROUND = {"ground": 0, "downstairs": 0, "erdgeschoss": 0, "eg": 0, "parterre": 0, "main": 0, "first": 1, "second": 2, "third": 3}
GROUND |= {"upstairs": 1, "obergeschoss": 1, "og": 1, "attic": 9, "dachgeschoss": 9, "dg": 9, "dachboden": 9, "loft": 9, "top": 9}
GROUND |= {"basement": -1, "cellar": -1, "keller": -1, "untergeschoss": -1, "ug": -1, "kg": -1}


@cache
def same_words() -> Mapping[Key, Sequence[str]]:
    """Words that mean the very same, by each of them."""
    groups = [listed(row) for row in read_list("same.yaml")]
    return {stems(name): group for group in groups for name in group}


def stems(name: str) -> Key:
    """The comparable words of a name."""
    return tuple(stem(word) for word in fold_all(name))


class Index:
    """Names by word and by phrase, devices by room, kind and floor; values are device ids."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.revision = house.revision
        self.devices: dict[str, Device] = {device.id: device for device in house}
        self.order = {key: at for at, key in enumerate(self.devices)}
        self.written: set[tuple[str, ...]] = set()
        self.called: dict[str, list[Key]] = {}
        self.words: dict[str, frozenset[str]] = {}
        self.by_word: dict[str, set[str]] = defaultdict(set)
        self.by_kind: dict[str, list[str]] = defaultdict(list)
        self.by_room: dict[str, list[str]] = defaultdict(list)
        self.rooms: dict[Key, list[Room]] = defaultdict(list)
        self.floors: dict[Key, list[str]] = defaultdict(list)
        self.names: dict[Key, set[str]] = defaultdict(set)
        self.room_words: dict[str, frozenset[str]] = {}
        self.vocabulary: set[str] = set()
        self._nouns: dict[str, dict[str, int]] = {}
        for room in house.rooms:
            self._place(room)
        for device in self.devices.values():
            self._call(device)
        self._translate()
        self.reach: dict[str, int] = {}
        for key in (*self.names, *self.rooms, *self.floors):
            self.reach[key[0]] = max(self.reach.get(key[0], 0), len(key))
        self.stems = set(self.by_word) | {word for words in self.room_words.values() for word in words}
        self.stems |= {key[0] for key in (*self.rooms, *self.names) if len(key) == 1}

    def _place(self, room: Room) -> None:
        for name in (room.name, *room.aliases):
            if key := stems(name):
                self.rooms[key].append(room)
                self.vocabulary.update(fold_all(name))
        self.room_words[room.name.casefold()] = frozenset(word for name in (room.name, *room.aliases) for word in stems(name))
        if (key := stems(room.floor)) and room.floor not in self.floors[key] and not all(word.isdigit() for word in key):
            self.floors[key].append(room.floor)

    def _translate(self) -> None:
        """Rooms and words in devices' names also go by the other language's word, unless something here has that name."""
        taken = {*self.names, *self.rooms, *((word,) for word in self.by_word)}
        for key, rooms in list(self.rooms.items()):
            for other in same_words().get(key, ()) if len(rooms) == 1 else ():
                if stems(other) not in taken:
                    self.rooms[stems(other)] = rooms
        for key, devices in list(self.names.items()):
            for other in same_words().get(key, ()):
                if stems(other) not in taken:
                    self.names[stems(other)] |= devices
        for word, devices in list(self.by_word.items()):
            for other in same_words().get((word,), ()):
                if (key := stems(other)) not in taken and len(key) == 1:
                    self.by_word[key[0]] |= devices

    def _call(self, device: Device) -> None:
        keys = [key for name in (device.name, *device.aliases) if (key := stems(name))]
        self.called[device.id] = keys
        words = {word for key in keys for word in key}
        self.words[device.id] = frozenset(words | {stem(front) for front in _FRONTS for word in words if word.startswith(front)})
        self.written.update(fold_all(name) for name in (device.name, *device.aliases))
        for key in keys:
            self.names[key].add(device.id)
        for word in self.words[device.id]:
            self.by_word[word].add(device.id)
        for name in (device.name, *device.aliases):
            self.vocabulary.update(fold_all(name))
        self.by_kind[device.kind].append(device.id)
        self.by_room[device.room.casefold()].append(device.id)

    def noun(self, noun: str) -> Mapping[str, int]:
        """The devices a noun means: 3 for just what it says, 2 for what comes next to it."""
        if noun not in self._nouns:
            rule = meaning()["nouns"].get(noun, {})
            found = {device: 2 for device in self._of(rule.get("also", {}))}
            self._nouns[noun] = found | {device: 3 for device in self._of(rule.get("is", {}))}
        return self._nouns[noun]

    def _of(self, kinds: Mapping[str, str | list[str]]) -> Iterable[str]:
        for kind, classes in kinds.items():
            for device in self.by_kind.get(kind, ()):
                if classes == "*" or self.devices[device].device_class in classes:
                    yield device

    def in_rooms(self, rooms: Iterable[str]) -> set[str]:
        """Everything that stands in these rooms."""
        return {device for room in rooms for device in self.by_room.get(room.casefold(), ())}

    def level(self, word: str) -> list[str]:
        """The rooms of a floor said in a general word: `up`, `down`, `top` or a storey's number."""
        ranks = {room.name: rank for room in self.house.rooms if (rank := rank_of(room.floor)) is not None}
        cellars = {room.floor for room in self.house.rooms if (rank_of(room.name) or 0) < 0}
        ranks |= {room.name: -1 for room in self.house.rooms if room.floor in cellars and room.name in ranks}
        if not ranks:
            return []
        ground = min((rank for rank in ranks.values() if rank >= 0), default=0)
        highest = max(ranks.values())
        wanted: dict[str, Iterable[int]] = {
            "up": range(ground + 1, highest + 1),
            "down": (ground,),
            "top": (highest,),
            "-1": range(min(ranks.values()), 0),
            "0": (ground,),
        }
        fits = wanted[word] if word in wanted else (int(word),)
        return [room for room, rank in ranks.items() if rank in fits]

    def on_floor(self, floor: str) -> list[str]:
        """The rooms of a floor by its own name."""
        return [room.name for room in self.house.rooms if room.floor == floor]


def rank_of(floor: str) -> int | None:
    """How high a floor lies, 0 for the ground; None where its name does not tell."""
    for word in fold_all(floor):
        if word.isdigit():
            return int(word)
        if word in GROUND:
            return GROUND[word]
    return None
