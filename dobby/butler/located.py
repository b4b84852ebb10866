"""A location shared in chat: whoever shares it is at home or away, as far as that is from the house, and for an hour at most.

It keeps no place, only what follows from it. It does not know how else somebody is seen (skills).
"""

from math import asin, cos, radians, sin, sqrt

from dobby.butler.desk import Desk
from dobby.events import Change, Location, Source
from dobby.house.kinds import specs
from dobby.house.model import Device
from dobby.journal import household
from dobby.mind.plan import Plan

EARTH = 6_371_000.0  # metres, mean radius
NEAR = 150.0  # metres around the house that are home, beside the location's own doubt
GOOD = 3600.0  # seconds after which nobody knows any more


def metres(place: tuple[float, float], there: Location) -> float:
    """How far apart, along the ground (haversine)."""
    (north, east), (to_north, to_east) = map(radians, place), map(radians, (there.latitude, there.longitude))
    half = sin((to_north - north) / 2) ** 2 + cos(north) * cos(to_north) * sin((to_east - east) / 2) ** 2
    return 2 * EARTH * asin(sqrt(half))


async def located(desk: Desk, source: Source, there: Location) -> Plan:
    """Somebody says where they are."""
    person = desk.people.get(source.person)
    if desk.place is None or person is None:
        return Plan(say=desk.words("located_nowhere", source))
    far = metres(desk.place, there)
    home = far <= NEAR + min(there.accuracy, NEAR)
    device = next((one for one in desk.house if one.kind == "person" and one.name.casefold() == person.name.casefold()), None)
    if device is None:
        device = Device(f"person.{person.id}", "people", "person", person.name, traits=specs("person"))
        made = device
        await desk.store.write(lambda db: household.keep_device(db, made))
        desk.house.add(device)
    desk.house.state.hear(Change(device.id, {"home": "home" if home else "away"}, available=True))
    desk.spawn(_forget(desk, device.id), f"forget where {person.id} is")
    key = "located_home" if home else "located_away"
    return Plan(say=desk.words(key, source, far=f"{far / 1000:.1f} km"), topic=(device.id,))


async def _forget(desk: Desk, device: str) -> None:
    """What was said an hour ago and not seen since says nothing of now."""
    heard = desk.house.state.heard(device)
    await desk.clock.sleep(GOOD)
    if desk.house.state.heard(device) == heard:
        desk.house.state.hear(Change(device, {"home": "unknown"}))
