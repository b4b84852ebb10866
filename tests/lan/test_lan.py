"""A Dobby whom nobody has told anything, on a home network of devices that nobody here wrote, each at an address of its own.

Mosquitto with sandcastle-sim, lamps of lifx-emulator, an accessory bridge of HAP-python, gmediarender and minidlna, and a
pool's gateway of ours, as there is no other; found by broadcast and multicast, run by `dobby chat`. What is true of a device is
asked of the device.
"""

import asyncio
import importlib.util
import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lan.home import READING, SIMULATED, Home, missing, soon
from tests.lan.network import lan
from tests.running import ask

pytestmark = pytest.mark.lan


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    if why := missing():
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("lan")
    with lan(folder) as net:
        made = Home(net, folder)
        try:
            made.furnish()
            made.start()
            soon(lambda: made.count("mqtt") == SIMULATED and made.count("lifx") == 2 and made.count("upnp") == 1, "all are found")
            yield made
        finally:
            print(made.words())  # shown where a test fails


def test_all_are_found_by_themselves(home: Home) -> None:
    lamp = home.device(f"lifx.{READING}")
    assert (lamp.name, lamp.address) == ("Reading lamp", "10.77.0.12:56700")
    soon(lambda: "needs its setup code" in home.families()["homekit"]["trouble"], "the bridge is found")
    assert home.ask("bridge") == {"paired": False, "connections": 0}
    seen = home.say("what's on my network?")
    assert "10.77.0.0/24" in seen
    assert "MQTT broker" in seen
    assert "HomeKit" in seen


@pytest.mark.parametrize(
    ("text", "answer", "topic", "truth"),
    [
        ("turn on the kitchen counter light", "Kitchen Counter on", "light/sim_kitchen_counter", {"state": "ON"}),
        ("set the thermostat to 23 degrees", "23", "climate/sim_home_thermostat", {"target_temperature": 23.0}),
        ("open the bedroom blind", "Bedroom Blind", "cover/sim_bedroom_blind", {"position": 100}),
        ("turn on the coffee machine", "Coffee Machine on", "switch/sim_coffee_machine", "ON"),
    ],
)
def test_a_home_on_mqtt_is_run_by_chat(home: Home, text: str, answer: str, topic: str, truth: Any) -> None:
    assert answer in home.say(text)
    soon(lambda: is_so(truth, home.ask("broker", f"homeassistant/{topic}/state")), f"{topic} is {truth}")


def is_so(truth: Any, said: str | None) -> bool:
    """Is what stands in a topic this, or does its JSON say so?"""
    if said is None or isinstance(truth, str):
        return bool(said == truth)
    return bool(truth.items() <= json.loads(said).items())


def test_a_door_is_unlocked_only_when_an_owner_says_yes(home: Home) -> None:
    topic = "homeassistant/lock/sim_front_door/state"
    assert "?" in home.say("unlock the front door")
    assert home.ask("broker", topic) == "LOCKED"
    assert "Front Door" in home.say("yes")
    soon(lambda: home.ask("broker", topic) == "UNLOCKED", "it is unlocked")


def test_lamps_are_run_by_chat(home: Home) -> None:
    assert "Reading lamp on" in home.say("turn on the reading lamp")
    assert home.ask("reading")["on"] is True
    assert "30" in home.say("set the globe lamp to 30 percent")
    soon(lambda: home.ask("globe")["brightness"] == 30, "the lamp has faded")


def test_a_speaker_plays_what_the_media_server_has(home: Home) -> None:
    try:
        plays_from_the_server(home)
    except AssertionError:
        if not home.speaker_aborted():
            raise
        home.start_speaker()
        soon(lambda: home.count("upnp", "away") == 0, "it is back")
        plays_from_the_server(home)


def plays_from_the_server(home: Home) -> None:
    assert "35" in home.say("set the volume of the kitchen player to 35")
    assert "<CurrentVolume>35<" in home.renderer("RenderingControl", "GetVolume")
    assert "Playing blue train" in home.say("play blue train on the kitchen player")
    soon(lambda: ">PLAYING<" in home.renderer("AVTransport", "GetTransportInfo"), "it plays")
    assert "10.77.0.16:" in home.renderer("AVTransport", "GetMediaInfo"), "from the media server"
    assert "Announced" in home.say("announce dinner is ready on the kitchen player")
    clip = home.renderer("AVTransport", "GetMediaInfo")
    assert "http://10.77.0.1:" in clip
    assert ".wav<" in clip
    soon(lambda: "10.77.0.16:" in home.renderer("AVTransport", "GetMediaInfo"), "the song is back when all is said")
    home.say("stop the kitchen player")
    soon(lambda: ">PLAYING<" not in home.renderer("AVTransport", "GetTransportInfo"), "it is silent")


def test_a_bridge_is_paired_by_the_code_that_a_person_says_and_run_by_chat(home: Home) -> None:
    said = home.talk(
        ("pair the homekit bridge", "setup code"), ("111-22-333", "does not take that code"), ("031-45-154", "Found")
    )
    assert "Study lamp" in said
    assert home.ask("bridge")["paired"] is True
    assert home.families()["homekit"]["trouble"] == ""
    for text, name, truth in (
        ("turn on the study lamp", "Study lamp", {"on": True}),
        ("set the study lamp to 40 percent", "Study lamp", {"brightness": 40}),
        ("turn off the study outlet", "Study outlet", {"on": False}),
        ("set the study thermostat to 23 degrees", "Study thermostat", {"target": 23}),
    ):
        assert name in home.say(text)
        assert truth.items() <= home.ask("bridge", home.device(name).id).items()
    assert "?" in home.say("unlock the back door lock")
    assert home.ask("bridge", home.device("Back door lock").id)["locked"] is True
    assert "Unlock" in home.say("yes")
    soon(lambda: home.ask("bridge", home.device("Back door lock").id)["locked"] is False, "it is unlocked")


KINDS = {  # a kind: what is said to each of its devices, one after the other, and a word of each answer
    "light": (("turn off the {}", " off"), ("turn on the {}", " on")),
    "switch": (("turn off the {}", " off"),),
    "outlet": (("turn on the {}", " on"),),
    "fan": (("turn on the {}", " on"),),
    "cover": (("close the {}", "los"),),
    "climate": (("set the {} to 21 degrees", "21"),),
    "lock": (("lock the {}", "ock"),),
    "valve": (("open the {}", ""),),
    "vacuum": (("start the {}", "clean"),),
    "alarm": (("arm the {} for home", "home"),),
    "sensor": (("what is the {}?", ""),),
}


def test_every_device_of_every_family_is_run_by_chat(home: Home) -> None:
    devices = [device for device in home.devices() if device.kind in KINDS and not device.part_of]
    assert Counter(device.driver for device in devices) == {"mqtt": SIMULATED, "lifx": 2, "homekit": 16}
    turns = [(text.format(device.name), answer, device) for device in devices for text, answer in KINDS[device.kind]]
    replies = [asyncio.run(ask(home.state, text))[0] for text, _, _ in turns]
    wrong = [
        (text, reply)
        for (text, answer, device), reply in zip(turns, replies, strict=True)
        if answer not in reply or "?" in reply or device.name.casefold() not in reply.casefold()
    ]
    assert not wrong, "\n".join(map(str, wrong))


def test_a_lamp_at_a_new_address_is_followed(home: Home) -> None:
    home.net.move("reading", 42)
    moved = time.monotonic()
    soon(lambda: home.device(f"lifx.{READING}").address == "10.77.0.42:56700", "it is followed")
    print(f"followed after {time.monotonic() - moved:.1f} s")
    assert home.count("lifx") == 2
    assert "Reading lamp off" in home.say("turn off the reading lamp")
    assert home.ask("reading")["on"] is False


def test_a_cut_cable_makes_a_lamp_unavailable_and_no_more(home: Home) -> None:
    home.net.cut("globe")
    said = home.say("turn off the globe lamp")
    assert "Globe lamp" in said
    assert "off." not in said
    soon(lambda: home.count("lifx", "away") == 1, "it is missed")
    assert home.count("lifx") == 2
    assert "Reading lamp on" in home.say("turn on the reading lamp"), "the others go on"
    home.net.cut("globe", mended=True)
    soon(lambda: home.count("lifx", "away") == 0, "it is back")
    assert "Globe lamp off" in home.say("turn off the globe lamp")
    assert home.ask("globe")["on"] is False


def test_a_pool_is_found_by_its_broadcast_when_somebody_asks(home: Home) -> None:
    if importlib.util.find_spec("screenlogicpy") is None:
        pytest.skip("dobby[pool] is not installed")
    home.put_up_pool()
    assert "Found and taken in (screenlogic): " in home.say("can you find my pool?")
    assert home.device("Spa").address.startswith("10.77.0.17:")
    assert "34" in home.say("set the spa to 34 degrees")
    soon(lambda: home.ask("pool", "spa")["target"] == 34, "the gateway has it")
