"""What was adopted, named and switched in words: devices, rooms, settings as rows.

It does not know the living house; `daemon` reads these rows into it at start.
"""

import json
import sqlite3

from dobby.house.model import Device, Room
from dobby.journal.pack import device_json, dump, load_device


def keep_device(db: sqlite3.Connection, device: Device) -> None:
    """A device as adopted or corrected."""
    db.execute(
        "INSERT INTO device (id, driver, body) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
        (device.id, device.driver, device_json(device)),
    )


def drop_device(db: sqlite3.Connection, device: str) -> None:
    """A device that is no longer part of the house."""
    db.execute("DELETE FROM device WHERE id = ?", (device,))


def devices(db: sqlite3.Connection) -> list[Device]:
    """Everything adopted."""
    return [load_device(row[0]) for row in db.execute("SELECT body FROM device ORDER BY rowid")]


def keep_room(db: sqlite3.Connection, room: Room) -> None:
    """A room as a person described it."""
    db.execute(
        "INSERT INTO room (name, floor, aliases) VALUES (?, ?, ?)"
        " ON CONFLICT (name) DO UPDATE SET floor = excluded.floor, aliases = excluded.aliases",
        (room.name, room.floor, dump(list(room.aliases))),
    )


def drop_room(db: sqlite3.Connection, name: str) -> None:
    """A room that there is not."""
    db.execute("DELETE FROM room WHERE name = ?", (name,))


def rooms(db: sqlite3.Connection) -> list[Room]:
    """Every room somebody described."""
    rows = db.execute("SELECT name, floor, aliases FROM room ORDER BY rowid")
    return [Room(name, floor, tuple(json.loads(aliases))) for name, floor, aliases in rows]


def setting(db: sqlite3.Connection, name: str, default: str = "") -> str:
    """A switch set in words, as it stands."""
    found = db.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
    return found[0] if found else default


def set_setting(db: sqlite3.Connection, name: str, value: str) -> None:
    """Put a switch."""
    db.execute(
        "INSERT INTO setting (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, value)
    )
