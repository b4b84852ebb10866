"""One thing once: what counts as the same thing, and what never does."""

from dobby import Device
from dobby.clock import FixedClock
from dobby.events import Change
from dobby.house.kinds import specs
from dobby.house.registry import House
from dobby.house.same import same

TRAITS = specs("light", ["on", "brightness"])


def lamp(id: str, name: str = "Lamp", room: str = "", identity: str = "", **more: str) -> Device:
    return Device(id, id.partition(".")[0], more.pop("kind", "light"), name, identity, room=room, traits=TRAITS, **more)


def one_of(found: Device, *others: Device) -> str:
    known = same(found, [*others, found])
    return known.id if known else ""


def test_what_is_known_by_the_same_number_is_the_same_thing() -> None:
    hue = lamp("hue.a", "Reading lamp", identity="mac:001788010d0b0001 uuid:1-2")
    assert one_of(lamp("homeassistant.1", "Lounge 3", identity="hue:1-2 mac:001788010d0b0001"), hue) == "hue.a"
    assert one_of(lamp("homekit.1", identity="serial:001788010D0B0001"), hue) == "hue.a"
    assert one_of(lamp("mqtt.1", identity="zigbee2mqtt_0x001788010d0b0001"), hue) == "hue.a"
    sonos = Device("sonos.x", "sonos", "speaker", "Kitchen", "RINCON_5CAAFD4D000B01400")
    assert (
        one_of(Device("homeassistant.2", "homeassistant", "speaker", "Sonos", "sonos:rincon_5caafd4d000b01400"), sonos)
        == "sonos.x"
    )


def test_two_lamps_that_look_alike_stay_two() -> None:
    hue = lamp("hue.a", room="Hall", identity="mac:001788010d0b0001")
    assert not one_of(lamp("lifx.b", room="Hall", identity="mac:d073d5000001"), hue)
    assert not one_of(lamp("hue.b", room="Hall"), hue)
    assert not one_of(lamp("homeassistant.1", room="Hall"), hue, lamp("hue.b", room="Hall", identity="mac:001788010d0b0002"))
    assert not one_of(lamp("homeassistant.1", room="Hall"), hue, lamp("homeassistant.2", room="Hall"))
    assert not one_of(lamp("homeassistant.1"), lamp("hue.a")), "without a room a name says little"
    assert not one_of(lamp("homeassistant.1", room="Attic"), hue)
    assert not one_of(lamp("homeassistant.1", room="Hall"), hue, lamp("homeassistant.2", same_as="hue.a"))


def test_of_two_sockets_in_one_plug_neither_is_the_plug() -> None:
    sockets = [Device(f"shelly.m-switch{n}", "shelly", "outlet", f"Socket {n}", "mac:aabbccddeeff") for n in (0, 1)]
    found = Device("homeassistant.1", "homeassistant", "switch", "Plug", "mac:aabbccddeeff")
    assert not one_of(found, *sockets)
    assert one_of(found, sockets[0]) == sockets[0].id
    assert not one_of(Device("homeassistant.2", "homeassistant", "sensor", "Plug", "mac:aabbccddeeff"), sockets[0])


def test_the_same_name_in_the_same_room_is_the_same_thing_where_one_side_says_no_more() -> None:
    hue = lamp("hue.a", "Reading lamp", "Living room", "mac:001788010d0b0001")
    assert one_of(lamp("homeassistant.1", "reading lamp", "living room"), hue) == "hue.a"


def test_a_part_of_the_same_thing_that_measures_the_same_is_the_same_part() -> None:
    whole = [lamp("hue.a", identity="mac:1"), lamp("homeassistant.a", same_as="hue.a")]
    battery = Device("hue.a_battery", "hue", "sensor", "Battery", device_class="battery", part_of="hue.a")
    found = Device("homeassistant.b", "homeassistant", "sensor", "Level", device_class="battery", part_of="homeassistant.a")
    assert one_of(found, *whole, battery) == "hue.a_battery"


def house_with_two_ways() -> House:
    house = House(FixedClock(1000.0))
    house.distance["homeassistant"] = 2
    house.add(lamp("homeassistant.1"))
    house.add(lamp("hue.a", same_as="homeassistant.1"))
    return house


def test_a_thing_is_counted_once_and_its_own_protocol_comes_first() -> None:
    house = house_with_two_ways()
    assert [device.id for device in house] == ["homeassistant.1"]
    assert len(house) == 1
    assert [way.id for way in house.ways("homeassistant.1")] == ["hue.a", "homeassistant.1"]
    house.hear(Change("hue.a", available=False))
    assert [way.id for way in house.ways("homeassistant.1")] == ["homeassistant.1", "hue.a"]


def test_it_is_out_of_reach_only_when_no_way_leads_there() -> None:
    house = house_with_two_ways()
    house.hear(Change("hue.a", available=False))
    assert house.state.unavailable_since("homeassistant.1") is None
    house.hear(Change("homeassistant.1", available=False))
    assert house.state.unavailable_since("homeassistant.1") is not None
    assert house.lost("hue.a")
    house.hear(Change("homeassistant.1", {"on": True}))
    assert house.state.unavailable_since("homeassistant.1") is None
    assert house.lost("hue.a")


def test_the_best_way_is_believed_another_when_it_tells_of_a_change() -> None:
    house = house_with_two_ways()
    house.hear(Change("hue.a", {"on": True, "brightness": 40}, available=True))
    house.hear(Change("homeassistant.1", {"on": True, "brightness": 39}, available=True))
    assert house.state.of("homeassistant.1") == {"on": True, "brightness": 40}
    house.hear(Change("homeassistant.1", {"on": False, "brightness": 39}))
    assert house.state.of("homeassistant.1") == {"on": False, "brightness": 40}
    house.hear(Change("hue.a", available=False))
    house.hear(Change("homeassistant.1", {"on": True, "brightness": 55, "effect": "x"}))
    assert house.state.of("homeassistant.1") == {"on": True, "brightness": 55}
