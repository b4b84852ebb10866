"""The house: its devices and rooms, and what each device is now.

Names need not be unique; asking by name is the mind's business. It does not know where the rows are kept.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from dobby.clock import Clock, SystemClock
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

    def __iter__(self) -> Iterator[Device]:
        return iter(self._devices.values())

    def __len__(self) -> int:
        return len(self._devices)

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

    def remove(self, device: str) -> None:
        """The device is gone for good."""
        if self._devices.pop(device, None):
            self.state.forget(device)
            self.revision += 1

    def rename(self, device: str, **changes: object) -> Device:
        """Correct what a person may correct: name, room, aliases, risk, protected."""
        return self.add(replace(self._devices[device], **changes))  # type: ignore[arg-type]

    def add_room(self, room: Room) -> None:
        """A room, new or described anew."""
        self._rooms[room.name.casefold()] = room
        self.revision += 1

    def room(self, name: str) -> Room | None:
        """A room by its own name, whatever the case."""
        return self._rooms.get(name.casefold())

    @property
    def rooms(self) -> tuple[Room, ...]:
        """All rooms, in the order they were named."""
        return tuple(self._rooms.values())

    def in_room(self, name: str) -> Iterable[Device]:
        """What stands in a room."""
        wanted = name.casefold()
        return (device for device in self if device.room.casefold() == wanted)

    def parts(self, device: str) -> Iterable[Device]:
        """What belongs to a device: a lock's battery, a plug's meter."""
        return (part for part in self if part.part_of == device)
