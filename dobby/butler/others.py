"""Other hands in the house: what they turn back just after Dobby is said once, what they have just set routines leave alone.

It sees only what was not Dobby's doing; whether that was a finger, an app or another controller it does not know.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import replace

from dobby.butler.desk import Desk
from dobby.clock import local
from dobby.events import Call
from dobby.house.model import Device
from dobby.house.state import Turn
from dobby.journal import inbox, ledger
from dobby.journal.outbox import OutboxRow

SHORT = 30.0  # seconds in which turning back is more likely another controller's rule than somebody's change of mind
WHOLE = ("on", "position", "locked", "armed", "mode", "target", "brightness")  # traits that do not change by themselves
COMFORT = ("light", "outlet", "switch", "speaker", "tv", "fan", "climate", "cover", "humidifier")


class OtherHands:
    """Listens to the house; speaks to whoever asked for what was turned back, once a day for each device."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._ours: dict[tuple[str, str], Turn] = {}
        desk.house.state.listen(self.hear)

    def hear(self, turn: Turn) -> None:
        """Take in a turn."""
        key = (turn.device, turn.trait)
        ours = self._ours.get(key)
        same = ours is not None and turn.cause in ("", ours.cause)
        if ours is not None and same and turn.now == ours.was:
            del self._ours[key]
            if turn.at - ours.at <= SHORT:
                self._desk.spawn(self._tell(ours), f"turned back {turn.device}")
        elif turn.cause and turn.trait in WHOLE:
            self._ours[key] = replace(turn, was=ours.was) if ours is not None and same else turn

    async def _tell(self, ours: Turn) -> None:
        desk, device = self._desk, self._desk.house.get(ours.device)
        day = local(desk.clock.now(), desk.zone).date()

        def tell(db: sqlite3.Connection) -> list[OutboxRow | None]:
            effects = ledger.by_id(db, [int(ours.cause.removeprefix("effect:"))])
            if device is None or not effects:
                return []
            row = inbox.get(db, effects[0].event)
            words = desk.words("turned_back", row.event.source, name=device.name)
            return [desk.tell(db, f"turned back:{device.id}:{day}", row.lane, words)]

        desk.post.hand_over(await desk.store.write(tell))


def set_by_hand(desk: Desk, calls: Iterable[Call], seconds: float) -> dict[str, float]:
    """Which devices of these calls somebody else has set otherwise within so many seconds, and when that was.

    Only what is for comfort: a door is locked and an alarm armed whoever touched it.
    """
    found: dict[str, float] = {}
    for call in calls:
        device = desk.house.get(call.device)
        if call.tool == "set" and device is not None and device.kind in COMFORT and not device.risk:
            at = max((_touched(desk, device, trait, call) for trait in desk.hands.wanted(call)), default=0.0)
            found |= {device.id: at} if at > desk.clock.now() - seconds else {}
    return found


def _touched(desk: Desk, device: Device, trait: str, call: Call) -> float:
    reading, wanted = desk.house.state.reading(device.id, trait), desk.hands.wanted(call)[trait]
    theirs = (
        reading is not None and reading.turned and not reading.cause and not device.traits[trait].matches(wanted, reading.value)
    )
    return reading.since if reading is not None and theirs else 0.0
