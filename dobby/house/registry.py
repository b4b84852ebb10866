"""The house: its devices and rooms, and what each device is now.

Names need not be unique; asking by name is the mind's business. It does not know where the rows are kept.
"""

from collections.abc import Iterable, Iterator

from dobby.clock import Clock, SystemClock
from dobby.events import Change, Value
from dobby.house.model import Device, Room
from dobby.house.state import States


class House:
    """Everything there is, by id. `revision` grows with every change of names, so that indexes know when to be rebuilt."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.state = States(self.clock)
        self.revision = 0
        self._devices: dict[str, Device] = {}
        self._rooms: dict[str, Room] = {}
        self._lost: set[str] = set()  # ways of things that have several
        self._said: dict[str, dict[str, Value]] = {}
        self.distance: dict[str, int] = {}  # of a family: 0 speaks the thing's own protocol, more through somebody else's

    def __iter__(self) -> Iterator[Device]:
        """Every thing once, however many ways lead to it."""
        return (device for device in self._devices.values() if not device.same_as)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def every(self) -> Iterator[Device]:
        """Every way to every thing."""
        return iter(list(self._devices.values()))

    def get(self, device: str) -> Device | None:
        """A device by its id."""
        return self._devices.get(device)

    def add(self, device: Device) -> Device:
        """Take a device in, or take its newer description; a room that is only used is implied."""
        self._devices[device.id] = device
        if device.room and self.room(device.room) is None:
            self.add_room(Room(device.room))
        self.revision += 1
        return device

    def ways(self, device: str) -> list[Device]:
        """All that lead to the thing of this id, the best first: in reach, then near, then its own."""
        found = [one for one in self.every() if device in (one.id, one.same_as)]
        return sorted(found, key=lambda one: (one.id in self._lost, self.distance.get(one.driver, 0), bool(one.same_as)))

    def lost(self, way: str) -> bool:
        """Is this way out of reach, whatever others there are."""
        return way in self._lost or self.state.unavailable_since(way) is not None

    def hear(self, change: Change) -> None:
        """Take in what was said or read by one way, for the thing it leads to.

        The best way is believed; another is when it tells of a change, as what it repeats may be old or rounded.
        """
        way = self._devices.get(change.device)
        thing = (self._devices.get(way.same_as) if way else None) or way
        if way is None or thing is None or len(self.ways(thing.id)) == 1:
            self.state.hear(change)
            return
        if change.available is False:
            self._lost.add(way.id)
        elif change.available or change.state:
            self._lost.discard(way.id)
        best, before = self.ways(thing.id)[0], self._said.setdefault(way.id, {})
        believed = best is way or best.id in self._lost
        told = {t: v for t, v in change.state.items() if t in thing.traits and (believed or before.get(t, v) != v)}
        before.update(change.state)
        there = best.id not in self._lost
        self.state.hear(Change(thing.id, told, available=there if change.available is not None or not there else None))

    def remove(self, device: str) -> None:
        """The device is gone for good."""
        if self._devices.pop(device, None):
            self.state.forget(device)
            self.revision += 1

    def add_room(self, room: Room) -> None:
        """A room, new or described anew."""
        self._rooms[room.name.casefold()] = room
        self.revision += 1

    def remove_room(self, name: str) -> None:
        """There is no such room."""
        if self._rooms.pop(name.casefold(), None):
            self.revision += 1

    def room(self, name: str) -> Room | None:
        """A room by its own name, whatever the case."""
        return self._rooms.get(name.casefold())

    @property
    def rooms(self) -> tuple[Room, ...]:
        """All rooms, in the order they were named."""
        return tuple(self._rooms.values())

    def only(self, rooms: Iterable[str]) -> "House":
        """What somebody may know of who may know of these rooms alone: what stands there now, as it is at any moment, and the
        weather."""
        part, names = House(self.clock), {room.casefold() for room in rooms}
        part.state, part.revision = self.state, self.revision
        part._rooms = {name: room for name, room in self._rooms.items() if name in names}
        part._devices = {one.id: one for one in self if one.room.casefold() in names or one.kind == "weather"}
        return part

    def in_room(self, name: str) -> Iterable[Device]:
        """What stands in a room."""
        wanted = name.casefold()
        return (device for device in self if device.room.casefold() == wanted)
