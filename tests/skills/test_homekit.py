"""The HomeKit skill against a HomeKit bridge on loopback: HAP-python's accessories, real pairing, real encryption."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

import pytest

from dobby import Device, EffectClass, Finding, Refused, Sign, State, Unreachable, Unsure
from dobby.discovery.mdns import Mdns
from dobby.paths import shipped
from dobby.skill.load import load_skill
from tests.fakes import Drawer
from tests.patience import ENOUGH, Ear, until

BEAT = 0.1
TYPE = "_hap._tcp.local."
load_skill(shipped("skills") / "homekit")
skill = import_module("dobby_skill_homekit")
accessories = import_module("dobby_skill_homekit.accessories")
dollhouse = import_module("dobby_skill_homekit.dollhouse")


class Person:
    """Answers what is asked, in order; then nothing."""

    def __init__(self, *answers: str) -> None:
        self.answers, self.asked = list(answers), list[str]()

    async def ask(self, words: str, options: Sequence[str]) -> str:
        self.asked.append(words)
        return self.answers.pop(0) if self.answers else ""


def seen(house: Any, **says: str) -> Finding:
    """The bridge as mDNS shows it."""
    known = {"name": "Dollhouse bridge", "id": dollhouse.HUB, "sf": "0" if house.paired else "1", "c#": "2"}
    return Finding(Sign("mdns", TYPE), "{}:{}".format(*house.at), {**known, **says})


async def adopt(driver: Any, finding: Finding, person: Person, safe: Drawer) -> dict[str, Device]:
    return {device.name: device async for device in driver.adopt(finding, person.ask, safe)}


def turns(ear: Ear, device: Device) -> list[bool]:
    """There, gone, there: each turn once."""
    return [here for here, _ in itertools.groupby(ear.available(device))]


@pytest.fixture
async def house() -> AsyncIterator[Any]:
    made = await dollhouse.start(pace=20)
    yield made
    await made.aclose()


@pytest.fixture
async def homekit() -> AsyncIterator[Any]:
    made = skill.HomeKit(beat=BEAT)
    yield made
    await made.aclose()


@pytest.fixture
def safe() -> Drawer:
    return Drawer()


@pytest.fixture
async def devices(house: Any, homekit: Any, safe: Drawer) -> dict[str, Device]:
    return await adopt(homekit, seen(house), Person(house.pin), safe)


@pytest.fixture
async def hear(homekit: Any, devices: dict[str, Device]) -> AsyncIterator[Callable[[], Awaitable[Ear]]]:
    ears: list[Ear] = []

    async def start() -> Ear:
        ears.append(Ear(homekit.hear(list(devices.values()))))
        await until(lambda: len(ears[-1].state) == len(devices))
        return ears[-1]

    yield start
    for ear in ears:
        await ear.aclose()


# Found and paired


async def test_a_bridge_is_found_by_mdns_and_opens_with_its_code(homekit: Any, safe: Drawer) -> None:
    house = await dollhouse.start(mdns=True)
    ear = Mdns(["127.0.0.1"])
    found: list[Finding] = []
    watch = ear.watch([TYPE], found.append)

    def ours() -> list[Finding]:
        return [one for one in found if one.address == "{}:{}".format(*house.at)]

    try:
        await until(ours)
        assert ours()[-1].says["sf"] == "1"
        assert ours()[-1].says["id"] == dollhouse.HUB
        person = Person(house.pin)
        assert "Study lamp" in await adopt(homekit, ours()[-1], person, safe)
        assert "Dollhouse bridge" in person.asked[0]
        await until(lambda: ours()[-1].says["sf"] == "0")
    finally:
        await watch.aclose()
        await ear.aclose()
        await house.aclose()


async def test_the_keys_are_kept_and_the_code_is_not(house: Any, homekit: Any, safe: Drawer, devices: dict[str, Device]) -> None:
    kept = json.dumps(safe)
    assert house.pin not in kept
    assert "iOSDeviceLTSK" in kept
    said = repr(devices)
    assert not any(secret in said for secret in json.loads(safe["homekit.d0114005e001"]).values() if secret != "Dollhouse bridge")
    again, person = skill.HomeKit(), Person()
    try:
        assert await adopt(again, seen(house), person, safe) == devices, "after a restart of Dobby nobody is asked"
        assert not person.asked
        assert (await again.read(devices["Study lamp"]))["brightness"] == 60
    finally:
        await again.aclose()


async def test_a_wrong_code_is_asked_for_again_and_none_is_no(house: Any, homekit: Any, safe: Drawer) -> None:
    person = Person("111-22-333", "what?", house.pin.replace("-", " "))
    assert await adopt(homekit, seen(house), person, safe)
    assert len(person.asked) == 3
    assert "does not take that code" in person.asked[1]


async def test_without_its_code_nothing_is_knocked_at(house: Any, homekit: Any, safe: Drawer) -> None:
    with pytest.raises(Refused, match="Dollhouse bridge needs its setup code"):
        await adopt(homekit, seen(house), Person(), safe)
    assert not house.connections
    assert not safe


async def test_the_codes_in_the_config_are_for_what_the_config_names(house: Any, homekit: Any, safe: Drawer) -> None:
    homekit.settings = house.config
    person = Person()
    with pytest.raises(Refused):
        await adopt(homekit, seen(house), person, safe)
    assert len(person.asked) == 1, "a neighbour's accessory is not tried with our code"
    assert await adopt(homekit, Finding(Sign("config", "homekit"), house.config["at"][0]), person, safe)
    assert len(person.asked) == 1
    assert await adopt(homekit, Finding(Sign("config", "homekit"), house.config["at"][0]), person, safe)


@pytest.mark.parametrize("sign", ["mdns", "config"])
async def test_what_is_paired_elsewhere_is_said(house: Any, devices: dict[str, Device], sign: str) -> None:
    other = skill.HomeKit()
    finding = seen(house) if sign == "mdns" else Finding(Sign("config", "homekit"), "{}:{}".format(*house.at))
    try:
        with pytest.raises(Refused, match="is paired with another controller: unpair it there, or use it through Home Assistant"):
            await adopt(other, finding, Person(house.pin), Drawer())
    finally:
        await other.aclose()


async def test_one_that_was_reset_is_paired_anew(house: Any, homekit: Any, safe: Drawer, devices: dict[str, Device]) -> None:
    new = await dollhouse.start()
    try:
        await house.down()
        with pytest.raises(Refused, match="no longer knows me"):
            await adopt(homekit, seen(new, sf="0"), Person(), safe)
        person = Person(new.pin)
        again = await adopt(homekit, seen(new), person, safe)
        assert len(person.asked) == 1
        assert again["Study lamp"].id == devices["Study lamp"].id
        await homekit.set(again["Study lamp"], {"on": True})
        assert new.truth(again["Study lamp"].id)["on"] is True
    finally:
        await new.aclose()


async def test_where_nobody_answers_or_nonsense_nothing_is_paired(homekit: Any, safe: Drawer) -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n\xff\xff\xff")
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(Unreachable, match="does not answer as it should"):
            await adopt(homekit, Finding(Sign("config", "homekit"), f"127.0.0.1:{port}"), Person("111-22-333"), safe)
    for address in ("nonsense", "127.0.0.1:99999", ":1"):
        with pytest.raises(Unreachable, match="wants host:port"):
            await adopt(homekit, Finding(Sign("config", "homekit"), address), Person("111-22-333"), safe)
    assert not safe


# What there is


async def test_every_service_is_a_device_and_small_ones_are_parts(devices: dict[str, Device]) -> None:
    kinds = {name: (device.kind, device.device_class) for name, device in devices.items() if not device.part_of}
    assert kinds == {
        "Study lamp": ("light", ""),
        "Study outlet": ("outlet", ""),
        "Study fan": ("fan", ""),
        "Study shades": ("cover", "shade"),
        "Study thermostat": ("climate", ""),
        "Back door lock": ("lock", ""),
        "Garage door": ("cover", "garage"),
        "Workshop alarm": ("alarm", ""),
        "Garden valve": ("valve", "water"),
        "Study monitor temperature": ("sensor", "temperature"),
        "Study monitor humidity": ("sensor", "humidity"),
        "Study monitor air quality": ("sensor", "aqi"),
        "Study window": ("sensor", "opening"),
        "Cellar leak sensor": ("sensor", "moisture"),
        "Attic smoke alarm smoke": ("sensor", "smoke"),
        "Attic smoke alarm carbon monoxide": ("sensor", "carbon_monoxide"),
    }
    assert devices["Back door lock battery"].part_of == devices["Back door lock"].id
    assert devices["Study thermostat motion"].part_of == devices["Study thermostat"].id
    assert devices["Study lamp"].identity == "serial:dh-lamp-0001"


async def test_ranges_and_words_are_the_accessorys_own(devices: dict[str, Device]) -> None:
    thermostat, lamp = devices["Study thermostat"].traits, devices["Study lamp"].traits
    assert (thermostat["target"].low, thermostat["target"].high) == (7, 30)
    assert thermostat["mode"].options == ("off", "heat")
    assert not thermostat["temperature"].settable
    assert (lamp["color_temp"].low, lamp["color_temp"].high) == (2203, 6536)
    assert devices["Study fan"].traits["speed"].step == 25
    assert devices["Study shades"].verbs == {"stop": EffectClass.IDEMPOTENT}
    assert not devices["Garage door"].verbs


async def test_what_they_are_is_read(house: Any, homekit: Any, devices: dict[str, Device]) -> None:
    for device in devices.values():
        state = await homekit.read(device)
        assert state.keys() == device.traits.keys(), device.name
        assert not device.part_of or state
    for name in (
        "Study lamp",
        "Study fan",
        "Study shades",
        "Study thermostat",
        "Back door lock",
        "Garage door",
        "Workshop alarm",
    ):
        truth = {trait: value for trait, value in house.truth(devices[name].id).items() if trait != "temperature"}  # it drifts
        assert truth.items() <= (await homekit.read(devices[name])).items(), name
    house.by_hand("Study window", ContactSensorState=1)
    assert await homekit.read(devices["Study window"]) == {"on": True}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("Study lamp", {"on": True, "brightness": 35}),
        ("Study lamp", {"on": True, "color_temp": 2700}),
        ("Study lamp", {"on": True, "color": "#3366ff"}),
        ("Study lamp", {"on": True, "color": "#000080"}),
        ("Study outlet", {"on": False}),
        ("Study fan", {"on": True, "speed": 75, "direction": "reverse", "oscillating": True}),
        ("Study fan", {"on": False, "speed": 0}),
        ("Study thermostat", {"mode": "off", "target": 21.5}),
        ("Study shades", {"position": 40}),
        ("Study shades", {"tilt": 75}),
        ("Back door lock", {"locked": False}),
        ("Garage door", {"position": 100, "moving": False}),
        ("Workshop alarm", {"armed": "night"}),
        ("Garden valve", {"position": 100}),
    ],
)
async def test_what_is_set_becomes_true(homekit: Any, devices: dict[str, Device], name: str, wanted: State) -> None:
    device = devices[name]
    await homekit.set(device, {trait: value for trait, value in wanted.items() if trait != "moving"})

    async def so() -> bool:
        state = await homekit.read(device)
        return all(device.traits[trait].matches(value, state.get(trait)) for trait, value in wanted.items())

    async with asyncio.timeout(ENOUGH):
        while not await so():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("name", "wanted", "words"),
    [
        ("Study thermostat", {"target": 45}, "The target of Study thermostat goes from 7 to 30 °C"),
        ("Study thermostat", {"mode": "cool"}, "cannot be told cool; it takes off or heat"),
        ("Study thermostat", {"temperature": 20}, "has no temperature to set"),
        ("Study outlet", {"brightness": 20}, "Study outlet has no brightness"),
        ("Garage door", {"position": 50}, "it takes 100 or 0"),
        ("Study lamp", {"color": "blue"}, "no colour"),
    ],
)
async def test_what_cannot_be_is_refused(homekit: Any, devices: dict[str, Device], name: str, wanted: State, words: str) -> None:
    before = await homekit.read(devices[name])
    with pytest.raises(Refused, match=words):
        await homekit.set(devices[name], wanted)
    assert await homekit.read(devices[name]) == before


async def test_a_moving_shade_stops_and_a_lamp_blinks(house: Any, homekit: Any, devices: dict[str, Device]) -> None:
    shade = devices["Study shades"]
    await homekit.set(shade, {"position": 0})
    await until(lambda: 0 < house.truth(shade.id)["position"] < 100)
    await homekit.do(shade, "stop")
    await until(lambda: not house.truth(shade.id)["moving"])
    assert 0 < house.truth(shade.id)["position"] < 100
    await homekit.do(devices["Study lamp"], "blink")
    with pytest.raises(Refused, match="cannot do that"):
        await homekit.do(devices["Study lamp"], "stop")


# Heard


async def test_what_a_hand_does_is_heard(house: Any, hear: Any, devices: dict[str, Device]) -> None:
    ear = await hear()
    house.by_hand("Study lamp", On=True, Brightness=15)
    house.by_hand("Cellar leak sensor", LeakDetected=1)
    house.by_hand("Workshop alarm", SecuritySystemTargetState=1, SecuritySystemCurrentState=4)
    await ear.comes(devices["Study lamp"], on=True, brightness=15)
    await ear.comes(devices["Cellar leak sensor"], on=True)
    await ear.comes(devices["Workshop alarm"], triggered=True, armed="away")
    house.by_hand("Back door lock", LockCurrentState=2)
    await ear.comes(devices["Back door lock"], jammed=True)


async def test_what_moves_is_told_on_its_way(homekit: Any, hear: Any, devices: dict[str, Device]) -> None:
    ear, door = await hear(), devices["Garage door"]
    await homekit.set(door, {"position": 100})
    await ear.comes(door, moving=True)
    await ear.comes(door, moving=False, position=100)


async def test_one_behind_the_bridge_loses_its_power(house: Any, homekit: Any, hear: Any, devices: dict[str, Device]) -> None:
    ear, lamp, fan = await hear(), devices["Study lamp"], devices["Study fan"]
    house.unplug("Study lamp")
    await until(lambda: ear.available(lamp).count(False))
    with pytest.raises(Unreachable, match="Study lamp cannot be reached by its bridge"):
        await homekit.read(lamp)
    assert await homekit.read(fan)
    house.unplug("Study lamp", plugged=True)
    await until(lambda: turns(ear, lamp) == [True, False, True])
    assert ear.available(lamp).count(False) == 1
    assert not ear.available(fan).count(False)


# Restarts, new addresses, cut links


async def test_a_restart_is_said_once_and_clears_by_itself(
    house: Any, homekit: Any, hear: Any, devices: dict[str, Device]
) -> None:
    ear, lamp = await hear(), devices["Study lamp"]
    await house.down()
    await until(lambda: ear.available(lamp).count(False))
    with pytest.raises(Unreachable, match="Dollhouse bridge cannot be reached"):
        await homekit.set(lamp, {"on": True})
    await house.up()
    await until(lambda: turns(ear, lamp) == [True, False, True])
    assert ear.available(lamp).count(False) == 1
    house.by_hand("Study lamp", Brightness=22)
    await ear.comes(lamp, brightness=22)


async def test_a_new_address_is_followed_by_identity(
    house: Any, homekit: Any, safe: Drawer, hear: Any, devices: dict[str, Device]
) -> None:
    ear, lamp = await hear(), devices["Study lamp"]
    await house.down()
    await until(lambda: ear.available(lamp).count(False))
    await house.up(port=0)
    person = Person()
    moved = await adopt(homekit, seen(house), person, safe)
    assert not person.asked
    assert moved["Study lamp"].id == lamp.id
    assert moved["Study lamp"].address == "{}:{}".format(*house.at) != lamp.address
    await until(lambda: turns(ear, lamp) == [True, False, True])
    await homekit.set(lamp, {"on": True})
    assert house.truth(lamp.id)["on"] is True


async def test_a_false_address_does_not_lead_astray(house: Any, homekit: Any, safe: Drawer, devices: dict[str, Device]) -> None:
    other = await dollhouse.start()
    try:
        assert (await adopt(homekit, seen(other, sf="0"), Person(), safe))["Study lamp"].address == devices["Study lamp"].address
        await homekit.aclose()
        await homekit.attach(devices["Study lamp"])
        assert (await adopt(homekit, seen(other, sf="0"), Person(), safe))["Study lamp"].address == devices["Study lamp"].address
        assert not other.connections
    finally:
        await other.aclose()


class Cable:
    """What lies between: carries everything, until `trouble` says otherwise for the next thing that is sent."""

    def __init__(self) -> None:
        self.trouble = ""
        self._server: Any = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self, to: tuple[str, int]) -> str:
        self._to = to
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._to)
        self._writers |= {writer, far_writer}
        with suppress(OSError):
            await asyncio.gather(self._pass(reader, far_writer, True), self._pass(far_reader, writer, False))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, out: bool) -> None:
        while data := await reader.read(65536):
            if self.trouble == ("before" if out else "after"):
                self.cut()
                return
            if self.trouble == "garbage" and not out:
                self.trouble, data = "", b"\x05\x00" + b"garbage " * 40
            writer.write(data)
        writer.close()

    def cut(self) -> None:
        self.trouble = ""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def aclose(self) -> None:
        self.cut()
        self._server.close()


@pytest.fixture
async def cable(house: Any) -> AsyncIterator[Cable]:
    made = Cable()
    yield made
    await made.aclose()


async def through(cable: Cable, house: Any, homekit: Any, safe: Drawer) -> dict[str, Device]:
    address = await cable.open(house.at)
    finding = Finding(Sign("config", "homekit"), address)
    return await adopt(homekit, finding, Person(house.pin), safe)


@pytest.mark.parametrize(("when", "done"), [("before", False), ("after", True)])
async def test_a_link_cut_in_the_middle_of_a_command_is_in_doubt(
    house: Any, homekit: Any, safe: Drawer, cable: Cable, when: str, done: bool
) -> None:
    lamp = (await through(cable, house, homekit, safe))["Study lamp"]
    cable.trouble = when
    with pytest.raises(Unsure, match="did not answer"):
        await homekit.set(lamp, {"on": True})
    assert house.truth(lamp.id)["on"] is done
    assert (await homekit.read(lamp))["on"] is done, "whoever looks reaches it again"
    await homekit.set(lamp, {"on": True})
    assert house.truth(lamp.id)["on"] is True


async def test_a_timed_write_that_was_not_announced_is_not_sent(house: Any, homekit: Any, safe: Drawer, cable: Cable) -> None:
    lock = (await through(cable, house, homekit, safe))["Back door lock"]
    cable.trouble = "after"  # the answer to the announcement is lost
    with pytest.raises(Unreachable):
        await homekit.set(lock, {"locked": False})
    assert house.truth(lock.id)["locked"] is True
    await homekit.set(lock, {"locked": False})
    await until(lambda: house.truth(lock.id)["locked"] is False)


async def test_garbage_ends_a_session_and_nothing_else(
    house: Any, homekit: Any, safe: Drawer, cable: Cable, caplog: pytest.LogCaptureFixture
) -> None:
    lamp = (await through(cable, house, homekit, safe))["Study lamp"]
    cable.trouble = "garbage"
    with pytest.raises(Unreachable, match="cannot be reached"):
        await homekit.read(lamp)
    assert (await homekit.read(lamp))["brightness"] == 60


# What a document may hold


def document(*services: dict[str, Any], name: str = "Box", serial: str = "AB:CD:EF:01:02:03") -> dict[str, Any]:
    """One accessory with these services."""
    words = [("23", name), ("30", serial)]
    about = [
        {"iid": at, "type": kind, "perms": ["pr"], "format": "string", "value": word} for at, (kind, word) in enumerate(words, 2)
    ]
    listed = [{"iid": 1, "type": "3E", "characteristics": about}, *services]
    return {"accessories": [{"aid": 1, "services": listed}]}


def service(iid: int, kind: str, **characteristics: dict[str, Any]) -> dict[str, Any]:
    """A service with characteristics by their names, all to be read and written."""
    names = accessories.table()["names"]
    rows = [
        {"iid": iid + at, "type": names.get(name, name), "perms": ["pr", "pw", "ev"], "format": "float", **said}
        for at, (name, said) in enumerate(characteristics.items(), 1)
    ]
    return {"iid": iid, "type": kind, "characteristics": rows}


def test_a_strip_of_outlets_keeps_its_names_apart() -> None:
    strip = document(service(10, "47", On={}, Name={"value": "Left"}), service(20, "47", On={}), service(30, "47", On={}))
    found = [part.device for part in accessories.parts(strip, "homekit.x")]
    assert [device.name for device in found] == ["Box Left", "Box", "Box 2"]
    assert found[0].identity == "serial:ab:cd:ef:01:02:03 mac:abcdef010203"
    assert len({device.identity for device in found}) == 3


def test_a_meter_in_a_plug_is_a_part_of_it() -> None:
    power = {"E863F10D-079E-48FF-8F27-9C2605A29F52": {"perms": ["pr", "ev"]}}
    plug, meter = accessories.parts(document(service(10, "00000047-0000-1000-8000-0026BB765291", On={}, **power)), "homekit.x")
    assert (meter.device.name, meter.device.part_of) == ("Box power", plug.device.id)
    assert meter.device.traits["value"].unit == "W"
    assert meter.state({(1, 12): 41.5}) == {"value": 41.5}


def test_a_heat_pump_goes_by_what_it_does() -> None:
    names = (
        "Active",
        "TargetHeaterCoolerState",
        "CurrentTemperature",
        "HeatingThresholdTemperature",
        "CoolingThresholdTemperature",
    )
    (pump,) = accessories.parts(document(service(10, "BC", **{name: {} for name in names})), "homekit.x")
    raws = dict(zip([(1, iid) for iid in range(11, 16)], (1, 2, 24.5, 19, 26), strict=True))
    assert pump.state(raws) == {"mode": "cool", "target": 26, "target_low": 19, "target_high": 26, "temperature": 24.5}
    assert pump.state({**raws, (1, 11): 0})["mode"] == "off"
    assert pump.orders({"target": 25}, raws) == {(1, 15): 25}
    assert pump.orders({"mode": "heat", "target": 21}, raws) == {(1, 11): 1, (1, 12): 1, (1, 14): 21}
    assert pump.orders({"mode": "off"}, raws) == {(1, 11): 0}
    with pytest.raises(Refused, match="between which temperatures"):
        pump.orders({"target": 25}, {**raws, (1, 12): 0})


def test_a_speed_has_steps_and_a_number_its_range() -> None:
    (fan,) = accessories.parts(
        document(service(10, "40", On={}, RotationSpeed={"minValue": 0, "maxValue": 100, "minStep": 33})), "h.x"
    )
    assert fan.orders({"on": True, "speed": 60}, {}) == {(1, 11): 1, (1, 12): 66}
    assert fan.state({(1, 11): 0, (1, 12): 66}) == {"on": False, "speed": 0}


@pytest.mark.parametrize("serial", ["default", "", "0000", "1234567", "N/A", "abc"])
def test_a_serial_number_that_is_none_is_no_identity(serial: str) -> None:
    (one,) = accessories.parts(document(service(10, "49", On={}), serial=serial), "homekit.x")
    assert not one.device.identity


@pytest.mark.parametrize(
    "junk",
    [
        None,
        [],
        {},
        {"accessories": 5},
        {"accessories": [None, 5, {"aid": "1"}, {"aid": 2, "services": "x"}]},
        document({"iid": True, "type": "43", "characteristics": [{}]}),
        document({"iid": 9, "type": ["43"], "characteristics": None}),
        document({"iid": 9, "type": "43", "characteristics": [{"iid": -1, "type": "25", "perms": "pr"}]}),
        {"accessories": [{"aid": 1, "services": [{"iid": 9, "type": "96", "characteristics": [{"iid": 1, "type": "68"}]}]}]},
    ],
)
def test_junk_is_no_device(junk: Any) -> None:
    assert accessories.parts(junk, "homekit.x") == []


def test_junk_is_no_value_and_a_name_is_data() -> None:
    lamp = service(
        10, "43", On={}, Brightness={"minValue": "a", "maxValue": float("nan")}, ColorTemperature={}, Hue={}, Saturation={}
    )
    (part,) = accessories.parts(document(lamp, name="La\x00mp\u202e\n" + "x" * 900), "homekit.x")
    assert part.device.name.startswith("La mp x")
    assert len(part.device.name) <= 200
    for junk in (None, "on", [1], {"a": 1}, float("inf"), float("nan"), 10**30, -5, b"x"):
        state = part.state({(1, iid): junk for iid in range(11, 16)})
        assert state.keys() <= {"brightness", "color_temp", "color"}, junk
