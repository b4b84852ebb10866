"""The Sonos skill against a Sonos household on loopback: real SSDP, SOAP and GENA, soco unpatched."""

import asyncio
import gc
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest

from dobby import Device, Driver, EffectClass, Finding, Hit, Music, Piece, Refused, Sign, State, Unreachable, Unsure
from dobby.paths import shipped
from dobby.skill.load import load_skill
from tests.fakes import Empty, nobody
from tests.patience import Ear, until

PREFIX = "127.77.9"
ZONE_PLAYER = "urn:schemas-upnp-org:device:ZonePlayer:1"
CLIP = "http://127.0.0.1:9/dinner.mp3"
BEAT = 0.2


load_skill(shipped("skills") / "sonos")
skill = import_module("dobby_skill_sonos")
dollhouse = import_module("dobby_skill_sonos.dollhouse")


@pytest.fixture
async def house() -> AsyncIterator[Any]:
    household = await dollhouse.start(prefix=PREFIX, ssdp=False)
    yield household
    await household.aclose()


@pytest.fixture
async def sonos() -> AsyncIterator[Any]:
    driver = skill.Sonos(beat=BEAT)
    yield driver
    await driver.aclose()


async def adopted(sonos: Driver, address: str) -> dict[str, Device]:
    finding = Finding(Sign("config", "sonos"), address)
    return {device.room: device async for device in sonos.adopt(finding, nobody, Empty())}


@pytest.fixture
async def rooms(house: Any, sonos: Any) -> dict[str, Device]:
    return await adopted(sonos, house.config["at"][0])


@pytest.fixture
async def hear(sonos: Any, rooms: dict[str, Device]) -> AsyncIterator[Callable[[], Awaitable[Ear]]]:
    ears: list[Ear] = []

    async def start() -> Ear:
        ears.append(Ear(sonos.hear(list(rooms.values()))))
        await until(lambda: len(ears[-1].state) == len(rooms))
        return ears[-1]

    yield start
    for ear in ears:
        await ear.aclose()


# Found and adopted


def search(target: str) -> dict[str, str]:
    """Who answers an M-SEARCH, by address; standard library only."""
    text = f'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\nMX: 1\r\nST: {target}\r\n\r\n'
    answers: dict[str, str] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        sock.settimeout(0.2)
        for address in ("239.255.255.250", f"{PREFIX}.12"):
            sock.sendto(text.encode(), (address, 1900))
        try:
            while True:
                data, (address, _) = sock.recvfrom(2048)
                answers[address] = data.decode()
        except TimeoutError:
            return {address: text for address, text in answers.items() if address.startswith(PREFIX)}


async def test_a_household_is_found_by_ssdp_and_only_by_who_looks_for_it(sonos: Any) -> None:
    household = await dollhouse.start(prefix=PREFIX)
    try:
        answers = await asyncio.to_thread(search, ZONE_PLAYER)
        assert sorted(answers) == [f"{PREFIX}.11", f"{PREFIX}.12", f"{PREFIX}.13"]
        assert f"LOCATION: http://{PREFIX}.11:1400/xml/device_description.xml" in answers[f"{PREFIX}.11"]
        assert not await asyncio.to_thread(search, "urn:schemas-upnp-org:device:MediaServer:1")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
            ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            ear.setblocking(False)
            ear.bind(("239.255.255.250", 1900))
            group = socket.inet_aton("239.255.255.250") + socket.inet_aton("127.0.0.1")
            ear.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
            await household.unplug("Kitchen")
            text = b""
            while household.zone("Kitchen").uid.encode() not in text:
                text = await asyncio.get_running_loop().sock_recv(ear, 2048)
            assert b"NTS: ssdp:byebye" in text
        assert sorted(await asyncio.to_thread(search, "ssdp:all")) == [f"{PREFIX}.12", f"{PREFIX}.13"]
    finally:
        await household.aclose()


async def test_soco_itself_discovers_and_drives_the_household() -> None:
    household = await dollhouse.start(prefix=PREFIX)

    def drive() -> set[str]:
        soco = skill.speaker.library()
        zones = soco.discover(timeout=2, interface_addr="127.0.0.1", household_id=household.state.id)
        kitchen = next(zone for zone in zones if zone.player_name == "Kitchen")
        kitchen.volume = 41
        assert kitchen.get_speaker_info()["model_name"] == "Sonos One"
        assert kitchen.renderingControl.GetVolume(Channel="Master") == {"CurrentVolume": "41"}  # asks for the SCPD
        return {zone.player_name for zone in zones}

    try:
        assert await asyncio.to_thread(drive) == {"Kitchen", "Living Room", "Bedroom"}
        assert household.zone("Kitchen").volume == 41
    finally:
        await household.aclose()


async def test_one_address_is_enough_to_adopt_every_room(rooms: dict[str, Device]) -> None:
    assert set(rooms) == {"Kitchen", "Living Room", "Bedroom"}
    kitchen = rooms["Kitchen"]
    assert (kitchen.name, kitchen.aliases, kitchen.kind) == ("Kitchen Sonos", ("Kitchen speaker",), "speaker")
    assert kitchen.id == f"sonos.{kitchen.identity}"
    assert kitchen.address == f"{PREFIX}.11"
    assert not kitchen.traits["source"].settable
    assert kitchen.verbs["announce"] is EffectClass.BLIND


async def test_names_from_the_network_are_data() -> None:
    household = await dollhouse.start(prefix=PREFIX, zones=("Kit\tchen\u202e" + "x" * 500,), ssdp=False)
    driver = skill.driver()
    try:
        (room,) = await adopted(driver, f"{PREFIX}.11")
        assert room.startswith("Kit chen x")
        assert len(room) <= 120
    finally:
        await driver.aclose()
        await household.aclose()


async def test_where_nobody_answers_nothing_is_adopted(sonos: Any) -> None:
    with pytest.raises(Unreachable, match=r"The Sonos at 127\.77\.9\.99 cannot be reached"):
        await adopted(sonos, f"{PREFIX}.99")


# Read and set


async def test_reading_is_a_fresh_look(house: Any, sonos: Any, rooms: dict[str, Device]) -> None:
    kitchen = rooms["Kitchen"]
    expected = dict(on=True, playing="idle", volume=20, muted=False, group=[], title="", artist="", source="", track=None)
    expected |= dict(queue={}, sleep_timer=0)
    assert await sonos.read(kitchen) == expected
    house.zone("Kitchen").volume = 64
    house.state.join(house.zone("Bedroom"), house.zone("Kitchen").uid)
    state = await sonos.read(kitchen)
    assert (state["volume"], state["group"]) == (64, ["Bedroom", "Kitchen"])


@pytest.mark.parametrize("wanted", [{"volume": 35}, {"muted": True}, {"volume": 0, "muted": True}, {"volume": 100}])
async def test_what_is_set_is_so(house: Any, sonos: Any, rooms: dict[str, Device], wanted: State) -> None:
    await sonos.set(rooms["Kitchen"], wanted)
    assert wanted.items() <= (await sonos.read(rooms["Kitchen"])).items()
    assert house.zone("Bedroom").volume == 20


@pytest.mark.parametrize("wanted", [{"volume": 101}, {"volume": "loud"}, {"track": 0}, {"title": "x"}, {"playing": "loudly"}])
async def test_what_cannot_be_is_refused(house: Any, sonos: Any, rooms: dict[str, Device], wanted: State) -> None:
    before = await sonos.read(rooms["Kitchen"])
    with pytest.raises(Refused):
        await sonos.set(rooms["Kitchen"], wanted)
    assert await sonos.read(rooms["Kitchen"]) == before


async def test_pause_play_stop_and_off_read_back_as_asked(house: Any, sonos: Any, rooms: dict[str, Device]) -> None:
    kitchen = rooms["Kitchen"]
    await sonos.do(kitchen, "play", what="Kitchen Classics")
    for playing, on in (("paused", True), ("playing", True), ("idle", True), ("playing", True), ("off", False)):
        await sonos.set(kitchen, {"playing": playing, "on": on})
        state = await sonos.read(kitchen)
        assert (state["playing"], state["on"]) == (playing, on)
    await sonos.set(kitchen, {"on": True, "playing": "idle"})
    assert (await sonos.read(kitchen))["playing"] == "idle"


async def test_a_live_stream_that_cannot_be_held_is_stopped_and_goes_on(house: Any, sonos: Any, rooms: dict[str, Device]) -> None:
    await sonos.do(rooms["Kitchen"], "play", what="Jazz Radio")
    await sonos.set(rooms["Kitchen"], {"playing": "paused"})
    assert house.zone("Kitchen").playing == "STOPPED"
    assert (await sonos.read(rooms["Kitchen"]))["playing"] == "paused"
    await sonos.set(rooms["Kitchen"], {"playing": "playing"})
    assert (await sonos.read(rooms["Kitchen"]))["playing"] == "playing"


async def test_pausing_or_starting_nothing_is_refused_in_words(sonos: Any, rooms: dict[str, Device]) -> None:
    with pytest.raises(Refused, match="Nothing is playing on Kitchen Sonos"):
        await sonos.set(rooms["Kitchen"], {"playing": "paused"})
    with pytest.raises(Refused, match="Kitchen Sonos refused: it cannot do that right now"):
        await sonos.set(rooms["Kitchen"], {"playing": "playing"})


# Play


async def test_jazz_is_the_one_favourite_with_that_word(house: Any, sonos: Any, rooms: dict[str, Device]) -> None:
    await sonos.do(rooms["Kitchen"], "play", what="jazz")
    await until(lambda: house.zone("Kitchen").playing == "PLAYING")
    state = await sonos.read(rooms["Kitchen"])
    assert (state["playing"], state["title"], state["source"], state["track"]) == ("playing", "Jazz Radio", "Jazz Radio", None)
    assert house.zone("Bedroom").playing == "STOPPED"


async def test_a_favourite_playlist_replaces_the_queue_and_repeating_changes_nothing(
    house: Any, sonos: Any, rooms: dict[str, Device]
) -> None:
    for _ in range(2):
        await sonos.do(rooms["Kitchen"], "play", what="kitchen classics")
        state = await sonos.read(rooms["Kitchen"])
        assert (state["title"], state["artist"], state["track"]) == ("Sing, Sing, Sing", "Benny Goodman", 1)
        assert len(house.zone("Kitchen").deck.queue) == 3
    await sonos.do(rooms["Kitchen"], "play", what="Sunday dinner")
    assert (await sonos.read(rooms["Kitchen"]))["title"] == "So What"


async def test_an_address_plays(house: Any, sonos: Any, rooms: dict[str, Device]) -> None:
    await sonos.do(rooms["Kitchen"], "play", what="http://127.0.0.1:9/music/Blue%20Train.mp3")
    assert (await sonos.read(rooms["Kitchen"]))["title"] == "Blue Train.mp3"
    await sonos.do(rooms["Kitchen"], "play", what="http://127.0.0.1:9/live")
    assert house.zone("Kitchen").deck.uri == "x-rincon-mp3radio://127.0.0.1:9/live"


@pytest.mark.parametrize(
    ("link", "service", "heard"),
    [
        ("https://open.spotify.com/album/6wiUBliPe76YAVpNEdidpY?si=x", 2311, "spotify%3aalbum%3a6wiUBliPe76YAVpNEdidpY"),
        ("spotify:track:4PTG3Z6ehGkBFwjybzWkR8", 3079, "spotify%3atrack%3a4PTG3Z6ehGkBFwjybzWkR8"),
        ("https://music.apple.com/dk/album/black-velvet/217502930?i=217503142", 52231, "song%3a217503142"),
        ("https://tidal.com/browse/album/157273956", 44551, "album%2f157273956"),
        ("https://www.deezer.com/en/playlist/5390258182", 519, "playlist-5390258182"),
    ],
)
async def test_a_share_link_plays_by_the_households_own_account(
    house: Any, sonos: Any, rooms: dict[str, Device], link: str, service: int, heard: str
) -> None:
    house.state.services.clear()
    with pytest.raises(Refused, match="is the music service set up in the Sonos app"):
        await sonos.do(rooms["Kitchen"], "play", what=link)
    assert not house.zone("Kitchen").deck.queue
    house.state.services.add(service)
    await sonos.do(rooms["Kitchen"], "play", what=link)
    state = await sonos.read(rooms["Kitchen"])
    assert (state["playing"], state["track"], state["source"]) == ("playing", 1, "queue")
    assert heard in house.zone("Kitchen").track.uri


SHELF = (
    Hit("Radio Swiss Jazz", "station", (Piece("http://stream.example/rsj", "Radio Swiss Jazz"),), "jazz"),
    Hit(
        "Kind of Blue", "album", tuple(Piece(f"http://nas/so {n}.mp3", f"So {n}", "Miles Davis", seconds=200) for n in range(20))
    ),
)


class Box:
    """Somebody else's shelf of music."""

    async def look_up(self, what: str) -> Sequence[Hit]:
        return SHELF

    async def names(self) -> Sequence[str]:
        return [hit.name for hit in SHELF]


async def test_what_is_not_its_own_comes_from_the_houses_other_shelves(house: Any, sonos: Any, rooms: dict[str, Device]) -> None:
    sonos.music = Music({"nas": Box()})
    kitchen, deck = rooms["Kitchen"], house.zone("Kitchen").deck
    await sonos.do(kitchen, "play", what="kind of blue")
    state = await sonos.read(kitchen)
    assert (state["title"], state["artist"], state["track"], len(deck.queue)) == ("So 0", "Miles Davis", 1, 20)
    assert deck.queue[19].uri == "http://nas/so%2019.mp3"
    await sonos.do(kitchen, "play", what="radio swiss jazz")
    assert deck.uri == "x-rincon-mp3radio://stream.example/rsj"
    await sonos.do(kitchen, "play", what="jazz")
    assert deck.track.title == "Jazz Radio"  # its own come first
    await sonos.do(kitchen, "play", what="my favourite morning coffee")
    assert deck.track.title == "Here Comes the Sun"
    with pytest.raises(Refused, match="nothing called “kind of blue”"):  # there is one, but it is no favourite
        await sonos.do(kitchen, "play", what="my favourite kind of blue")
    assert deck.track.title == "Here Comes the Sun"


async def test_an_unknown_name_is_refused_with_what_there_is_and_nothing_changes(
    house: Any, sonos: Any, rooms: dict[str, Device]
) -> None:
    await sonos.do(rooms["Kitchen"], "play", what="BBC Radio 4")
    with pytest.raises(Refused, match=r"nothing called “polka” to play\. There are: Jazz Radio, BBC Radio 4, Kitchen Classics"):
        await sonos.do(rooms["Kitchen"], "play", what="polka")
    with pytest.raises(Refused, match="Several go by “radio”: Jazz Radio, BBC Radio 4"):
        await sonos.do(rooms["Kitchen"], "play", what="radio")
    assert (await sonos.read(rooms["Kitchen"]))["title"] == "BBC Radio 4"


async def test_a_refused_address_leaves_the_queue_alone(house: Any, sonos: Any, rooms: dict[str, Device]) -> None:
    await sonos.do(rooms["Kitchen"], "play", what="Kitchen Classics")
    with pytest.raises(Refused, match="cannot play that kind of sound"):
        await sonos.do(rooms["Kitchen"], "play", what="x-nonsense:1")
    assert (await sonos.read(rooms["Kitchen"]))["title"] == "Sing, Sing, Sing"


async def test_next_previous_and_track(sonos: Any, rooms: dict[str, Device]) -> None:
    kitchen = rooms["Kitchen"]
    await sonos.do(kitchen, "play", what="Kitchen Classics")
    await sonos.do(kitchen, "next")
    assert (await sonos.read(kitchen))["title"] == "Le Freak"
    await sonos.do(kitchen, "previous")
    assert (await sonos.read(kitchen))["track"] == 1
    await sonos.set(kitchen, {"track": 3})
    assert (await sonos.read(kitchen))["title"] == "Feeling Good"
    with pytest.raises(Refused, match="there is no such track"):
        await sonos.do(kitchen, "next")
    with pytest.raises(Refused, match="The queue has 3 tracks; there is no number 9"):
        await sonos.set(kitchen, {"track": 9})
    with pytest.raises(Refused, match="does not know how to “dance”"):
        await sonos.do(kitchen, "dance")


async def test_the_queue_is_told_from_what_plays_on(sonos: Any, rooms: dict[str, Device]) -> None:
    await sonos.do(rooms["Kitchen"], "play", what="Kitchen Classics")
    await sonos.set(rooms["Kitchen"], {"track": 2})
    expected = {"2": "Le Freak by Chic", "3": "Feeling Good by Nina Simone"}
    assert (await sonos.read(rooms["Kitchen"]))["queue"] == expected
    await sonos.do(rooms["Kitchen"], "play", what="Jazz Radio")
    assert (await sonos.read(rooms["Kitchen"]))["queue"] == {}


async def test_a_sleep_timer_runs_down_and_stops_the_music(house: Any, sonos: Any, hear: Any, rooms: dict[str, Device]) -> None:
    bedroom = rooms["Bedroom"]
    ear = await hear()
    await sonos.do(bedroom, "play", what="Jazz Radio")
    await sonos.set(bedroom, {"sleep_timer": 30})
    assert 29 * 60 < house.zone("Bedroom").deck.sleepy <= 30 * 60
    await ear.comes(bedroom, sleep_timer=30, playing="playing")
    for wrong in (-1, 1440, "soon"):
        with pytest.raises(Refused):
            await sonos.set(bedroom, {"sleep_timer": wrong})
    await sonos.set(bedroom, {"sleep_timer": 0})
    assert house.zone("Bedroom").deck.sleepy is None
    house.zone("Bedroom").deck.sleep(40)  # the rest of half an hour
    await ear.comes(bedroom, sleep_timer=1, playing="playing")
    house.zone("Bedroom").deck.sleep(0.1)
    await ear.comes(bedroom, sleep_timer=0, playing="idle")


async def test_a_sleep_timer_is_the_groups(house: Any, sonos: Any, rooms: dict[str, Device]) -> None:
    await sonos.set(rooms["Kitchen"], {"group": ["Kitchen", "Bedroom"]})
    await sonos.set(rooms["Bedroom"], {"sleep_timer": 45})
    assert (await sonos.read(rooms["Kitchen"]))["sleep_timer"] == 45


async def test_a_track_ends_and_the_next_begins(house: Any, sonos: Any, rooms: dict[str, Device]) -> None:
    zones = dollhouse.zones
    deck = house.zone("Kitchen").deck
    deck.queue[:] = [
        zones.Track("x-file-cifs://nas/a.mp3", "A", seconds=0.2),
        zones.Track("x-file-cifs://nas/b.mp3", "B", seconds=0.2),
    ]
    await sonos.set(rooms["Kitchen"], {"track": 1, "playing": "playing"})
    assert deck.state == "TRANSITIONING"
    await until(lambda: deck.state == "PLAYING" and deck.position > 0.1)
    await until(lambda: deck.track.title == "B" and deck.state == "PLAYING")
    await until(lambda: deck.state == "STOPPED")


# Groups


async def test_a_group_is_exactly_what_was_asked(house: Any, sonos: Any, rooms: dict[str, Device]) -> None:
    kitchen, living, bedroom = rooms["Kitchen"], rooms["Living Room"], rooms["Bedroom"]
    await sonos.do(kitchen, "play", what="Jazz Radio")
    for group in (["Kitchen", "living room"], ["Bedroom", "Kitchen"], ["Kitchen", "Living Room", "Bedroom"]):
        await sonos.set(kitchen, {"group": group})
        state = await sonos.read(kitchen)
        assert [name.casefold() for name in state["group"]] == sorted(name.casefold() for name in group)
        assert state["title"] == "Jazz Radio"
    assert (await sonos.read(bedroom))["title"] == "Jazz Radio"
    await sonos.set(living, {"group": []})
    assert (await sonos.read(living))["group"] == []
    assert (await sonos.read(living))["playing"] == "idle"
    assert (await sonos.read(kitchen))["group"] == ["Bedroom", "Kitchen"]
    await sonos.set(kitchen, {"group": ["Kitchen"]})
    assert [(await sonos.read(room))["group"] for room in rooms.values()] == [[], [], []]
    assert (await sonos.read(kitchen))["playing"] == "playing"


async def test_a_group_with_an_unknown_room_is_refused_whole(house: Any, sonos: Any, rooms: dict[str, Device]) -> None:
    with pytest.raises(Refused, match="no Sonos speaker called Cellar; there are: Bedroom, Kitchen, Living Room"):
        await sonos.set(rooms["Kitchen"], {"group": ["Bedroom", "Cellar"], "volume": 90})
    assert (await sonos.read(rooms["Kitchen"]))["group"] == []
    assert house.zone("Kitchen").volume == 20


async def test_a_slave_passes_transport_orders_to_its_leader(house: Any, sonos: Any, rooms: dict[str, Device]) -> None:
    await sonos.set(rooms["Kitchen"], {"group": ["Kitchen", "Bedroom"]})
    await sonos.do(rooms["Bedroom"], "play", what="Kitchen Classics")
    await sonos.do(rooms["Bedroom"], "next")
    assert house.zone("Kitchen").track.title == "Le Freak"
    await sonos.set(rooms["Bedroom"], {"playing": "paused", "volume": 7})
    assert (await sonos.read(rooms["Kitchen"]))["playing"] == "paused"
    assert (house.zone("Kitchen").volume, house.zone("Bedroom").volume) == (20, 7)


async def test_off_silences_one_room_while_the_others_play_on(house: Any, sonos: Any, rooms: dict[str, Device]) -> None:
    await sonos.do(rooms["Kitchen"], "play", what="Kitchen Classics")
    await sonos.set(rooms["Kitchen"], {"group": ["Kitchen", "Bedroom"]})
    await sonos.set(rooms["Kitchen"], {"on": False, "playing": "off"})
    assert (await sonos.read(rooms["Kitchen"]))["on"] is False
    assert (await sonos.read(rooms["Bedroom"]))["title"] == "Sing, Sing, Sing"
    assert (await sonos.read(rooms["Bedroom"]))["playing"] == "playing"


# What comes by a cable


async def _cable(house: Any, sonos: Any, rooms: dict[str, Device], source: str) -> str:
    """The living room plays its television or its line-in -> the address of that."""
    zone = house.zone("Living Room")
    zone.tv = True
    uri = f"x-sonos-htastream:{zone.uid}:spdif" if source == "tv" else f"x-rincon-stream:{zone.uid}"
    await sonos.do(rooms["Living Room"], "play", what=uri)
    await until(lambda: zone.playing == "PLAYING")
    assert (await sonos.read(rooms["Living Room"]))["source"] == source
    return uri


@pytest.mark.parametrize("source", ["tv", "line-in"])
async def test_tv_and_line_in_come_back_after_a_group(house: Any, sonos: Any, rooms: dict[str, Device], source: str) -> None:
    uri, zone = await _cable(house, sonos, rooms, source), house.zone("Living Room")
    await sonos.do(rooms["Kitchen"], "play", what="Jazz Radio")
    await sonos.set(rooms["Kitchen"], {"group": ["Kitchen", "Living Room"]})
    assert zone.track.title == "Jazz Radio"
    await sonos.set(rooms["Kitchen"], {"group": []})
    assert zone.leader is zone
    await until(lambda: (zone.deck.uri, zone.playing) == (uri, "PLAYING"))
    assert house.zone("Kitchen").track.title == "Jazz Radio"


@pytest.mark.parametrize("source", ["tv", "line-in"])
async def test_who_plays_by_its_own_cable_keeps_it_when_its_group_parts(
    house: Any, sonos: Any, rooms: dict[str, Device], source: str
) -> None:
    uri, zone = await _cable(house, sonos, rooms, source), house.zone("Living Room")
    await sonos.set(rooms["Living Room"], {"group": ["Living Room", "Kitchen"]})
    assert (await sonos.read(rooms["Kitchen"]))["source"] == source
    await sonos.set(rooms["Living Room"], {"group": []})
    assert (zone.deck.uri, zone.playing, house.zone("Kitchen").leader.name) == (uri, "PLAYING", "Kitchen")
    await sonos.set(rooms["Living Room"], {"group": ["Living Room", "Kitchen"]})
    await sonos.set(rooms["Bedroom"], {"group": ["Kitchen"]})  # another takes a follower away
    assert (zone.deck.uri, zone.playing) == (uri, "PLAYING")


@pytest.mark.parametrize("source", ["tv", "line-in"])
@pytest.mark.parametrize("grouped", [False, True])
async def test_tv_and_line_in_come_back_after_an_announcement(
    house: Any, sonos: Any, rooms: dict[str, Device], source: str, grouped: bool
) -> None:
    uri, zone = await _cable(house, sonos, rooms, source), house.zone("Living Room")
    if grouped:
        await sonos.set(rooms["Living Room"], {"group": ["Living Room", "Kitchen"]})
    house.state.seconds[CLIP] = 0.3
    await sonos.do(rooms["Living Room"], "announce", what=CLIP, volume=45)
    assert (zone.deck.uri, zone.volume) == (CLIP, 45)
    await until(lambda: (zone.deck.uri, zone.playing, zone.volume) == (uri, "PLAYING", 20))
    assert (house.zone("Kitchen").leader is zone) is grouped


async def test_nothing_but_its_own_television_can_be_played(house: Any, sonos: Any, rooms: dict[str, Device]) -> None:
    uri = await _cable(house, sonos, rooms, "tv")
    with pytest.raises(Refused, match="cannot play that kind of sound"):
        await sonos.do(rooms["Kitchen"], "play", what=uri)
    with pytest.raises(Refused, match="cannot do that right now"):
        await sonos.set(rooms["Living Room"], {"playing": "paused"})
    await sonos.do(rooms["Kitchen"], "play", what=f"x-rincon-stream:{house.zone('Living Room').uid}")
    assert (await sonos.read(rooms["Kitchen"]))["source"] == "line-in"


# Announcements


async def test_an_announcement_is_played_and_what_was_before_comes_back(house: Any, sonos: Any, rooms: dict[str, Device]) -> None:
    house.state.seconds[CLIP] = 0.3
    deck = house.zone("Kitchen").deck
    await sonos.do(rooms["Kitchen"], "play", what="Kitchen Classics")
    await sonos.set(rooms["Kitchen"], {"track": 2})
    await sonos.do(rooms["Kitchen"], "announce", what=CLIP)
    assert deck.uri == CLIP
    await sonos.set(rooms["Kitchen"], {"volume": 55})  # turned meanwhile: stays
    await until(lambda: deck.queued and deck.state == "PLAYING")
    assert (deck.number, house.zone("Kitchen").volume) == (2, 55)


async def test_an_announcement_has_a_loudness_of_its_own(house: Any, sonos: Any, rooms: dict[str, Device]) -> None:
    house.state.seconds[CLIP] = 0.3
    sonos.settings = {"announce_volume": 40}
    zone = house.zone("Kitchen")
    zone.volume, zone.muted = 12, True
    await sonos.do(rooms["Kitchen"], "play", what="Jazz Radio")
    await sonos.do(rooms["Kitchen"], "announce", what=CLIP)
    assert (zone.deck.uri, zone.volume, zone.muted) == (CLIP, 40, False)
    await until(lambda: zone.track.title == "Jazz Radio" and zone.playing == "PLAYING")
    assert (zone.volume, zone.muted) == (12, True)
    await sonos.do(rooms["Kitchen"], "announce", what=CLIP, volume=60)
    await sonos.set(rooms["Kitchen"], {"volume": 33})  # turned meanwhile: stays
    await until(lambda: zone.track.title == "Jazz Radio" and zone.playing == "PLAYING")
    assert (zone.volume, zone.muted) == (33, False)
    with pytest.raises(Refused, match="is not a number from 0 to 100"):
        await sonos.do(rooms["Kitchen"], "announce", what=CLIP, volume="loud")
    assert zone.track.title == "Jazz Radio"


async def test_two_announcements_bring_back_what_was_before_the_first(house: Any, sonos: Any, rooms: dict[str, Device]) -> None:
    second = CLIP.replace("dinner", "really")
    house.state.seconds.update({CLIP: 0.5, second: 0.3})
    await sonos.do(rooms["Kitchen"], "play", what="Jazz Radio")
    await sonos.do(rooms["Kitchen"], "announce", what=CLIP)
    await sonos.do(rooms["Kitchen"], "announce", what=second)
    deck = house.zone("Kitchen").deck
    assert deck.uri == second
    await until(lambda: deck.track.title == "Jazz Radio" and deck.state == "PLAYING")


async def test_an_announcement_in_one_room_of_a_group_is_heard_there_only(
    house: Any, sonos: Any, rooms: dict[str, Device]
) -> None:
    house.state.seconds[CLIP] = 0.4
    await sonos.do(rooms["Kitchen"], "play", what="Jazz Radio")
    await sonos.set(rooms["Kitchen"], {"group": ["Kitchen", "Bedroom"]})
    await sonos.do(rooms["Kitchen"], "announce", what=CLIP)
    assert house.zone("Bedroom").track.title == "Jazz Radio"
    assert house.zone("Kitchen").track.uri == CLIP
    await until(lambda: house.zone("Kitchen").leader is house.zone("Bedroom"))
    assert house.zone("Kitchen").playing == "PLAYING"


async def test_an_announcement_to_a_whole_group_leaves_it_playing_together(
    house: Any, sonos: Any, rooms: dict[str, Device]
) -> None:
    house.state.seconds[CLIP] = 0.4
    await sonos.do(rooms["Kitchen"], "play", what="Kitchen Classics")
    await sonos.set(rooms["Kitchen"], {"group": ["Kitchen", "Living Room"], "track": 2})
    await asyncio.gather(*(sonos.do(room, "announce", what=CLIP) for room in rooms.values()))
    assert {house.zone(name).track.uri for name in rooms} == {CLIP}
    kitchen, living = house.zone("Kitchen"), house.zone("Living Room")
    await until(lambda: kitchen.leader is living.leader and kitchen.playing == "PLAYING" and kitchen.track.title == "Le Freak")
    assert house.zone("Bedroom").leader is house.zone("Bedroom")


async def test_who_says_stop_during_an_announcement_has_silence(house: Any, sonos: Any, rooms: dict[str, Device]) -> None:
    await sonos.do(rooms["Kitchen"], "play", what="Jazz Radio")
    await sonos.do(rooms["Kitchen"], "announce", what=CLIP)
    await sonos.set(rooms["Kitchen"], {"playing": "idle"})
    await asyncio.sleep(0.5)
    assert house.zone("Kitchen").playing == "STOPPED"


async def test_a_butler_who_leaves_during_an_announcement_brings_the_music_back(house: Any, rooms: dict[str, Device]) -> None:
    driver = skill.Sonos()
    await driver.do(rooms["Kitchen"], "play", what="Jazz Radio")
    await driver.do(rooms["Kitchen"], "announce", what=CLIP)
    await driver.aclose()
    assert house.zone("Kitchen").track.title == "Jazz Radio"
    assert house.zone("Kitchen").playing in ("TRANSITIONING", "PLAYING")


async def test_a_text_without_a_clip_is_refused(sonos: Any, rooms: dict[str, Device]) -> None:
    with pytest.raises(Refused, match="nobody here who reads texts aloud"):
        await sonos.do(rooms["Kitchen"], "announce", text="Dinner is ready")


# Heard


async def test_what_others_do_is_heard(house: Any, hear: Any, rooms: dict[str, Device]) -> None:
    ear = await hear()
    house.speaker("Kitchen")._answer("RenderingControl", "SetVolume", {"DesiredVolume": "77"})
    await ear.comes(rooms["Kitchen"], volume=77)
    house.state.join(house.zone("Bedroom"), house.zone("Kitchen").uid)
    await ear.comes(rooms["Kitchen"], group=["Bedroom", "Kitchen"])
    deck = house.zone("Kitchen").deck
    deck.load("x-sonosapi-stream:s1", "", house.state.resolve("x-sonosapi-stream:s1", "Far away")[0])
    deck.play()
    await ear.comes(rooms["Kitchen"], playing="playing", title="Far away")
    await ear.comes(rooms["Bedroom"], playing="playing", title="Far away")  # a slave hears its leader's news


async def test_nothing_is_told_twice(house: Any, hear: Any) -> None:
    ear = await hear()
    await asyncio.sleep(3 * BEAT)
    assert len(ear.heard) == 3
    assert all(change.available for change in ear.heard)


async def test_subscriptions_are_renewed_and_survive_a_quick_restart(house: Any, hear: Any, rooms: dict[str, Device]) -> None:
    ear = await hear()
    until_then = {sub.sid: sub.until for sub in house.speaker("Kitchen").subscriptions.values()}
    assert len(until_then) == 3
    await asyncio.sleep(4.5 * BEAT)
    assert all(sub.until > until_then[sub.sid] for sub in house.speaker("Kitchen").subscriptions.values())
    await house.unplug("Kitchen")
    await house.plug("Kitchen")  # its subscriptions are forgotten, nobody saw it gone
    await until(lambda: len(house.speaker("Kitchen").subscriptions) == 3)
    house.speaker("Kitchen")._answer("RenderingControl", "SetVolume", {"DesiredVolume": "5"})
    await ear.comes(rooms["Kitchen"], volume=5)


async def test_gone_is_said_once_and_back_by_itself(house: Any, sonos: Any, hear: Any, rooms: dict[str, Device]) -> None:
    ear = await hear()
    await house.unplug("Kitchen")
    await until(lambda: ear.available(rooms["Kitchen"]) == [True, False])  # the others know at once that it vanished
    with pytest.raises(Unreachable, match="Kitchen Sonos cannot be reached"):
        await sonos.set(rooms["Kitchen"], {"volume": 30})
    await sonos.set(rooms["Bedroom"], {"volume": 30})
    await asyncio.sleep(3 * BEAT)
    house.zone("Kitchen").volume = 44
    await house.plug("Kitchen")
    await until(lambda: ear.available(rooms["Kitchen"]) == [True, False, True])
    await ear.comes(rooms["Kitchen"], volume=44)
    assert ear.available(rooms["Bedroom"]) == [True]


async def test_a_speaker_out_of_reach_for_a_moment_is_told_to_be_back(
    house: Any, sonos: Any, hear: Any, rooms: dict[str, Device]
) -> None:
    kitchen = rooms["Kitchen"]
    ear = await hear()
    with pytest.raises(Unreachable):
        await sonos.read(replace(kitchen, address=f"{PREFIX}.99"))
    await until(lambda: ear.available(kitchen) == [True, False, True])


async def test_where_no_subscription_is_granted_the_beat_looks(house: Any, hear: Any, rooms: dict[str, Device]) -> None:
    house.speaker("Kitchen").deaf = True
    ear = await hear()
    house.zone("Kitchen").volume = 12
    await ear.comes(rooms["Kitchen"], volume=12)
    assert not house.speaker("Kitchen").subscriptions
    house.speaker("Kitchen").deaf = False
    await until(lambda: len(house.speaker("Kitchen").subscriptions) == 3)


async def test_a_speaker_at_a_new_address_is_the_same_one(house: Any, sonos: Any, hear: Any, rooms: dict[str, Device]) -> None:
    kitchen = rooms["Kitchen"]
    ear = await hear()
    await house.move("Kitchen", f"{PREFIX}.44")
    with pytest.raises(Unreachable):
        await sonos.set(kitchen, {"volume": 41})
    moved = (await adopted(sonos, f"{PREFIX}.12"))["Kitchen"]  # the others know where it is now
    assert moved == replace(kitchen, address=f"{PREFIX}.44")
    await sonos.attach(moved)
    await sonos.set(moved, {"volume": 41, "sleep_timer": 20})
    assert (house.zone("Kitchen").volume, house.zone("Kitchen").playing) == (41, "STOPPED")
    assert ear.available(kitchen)[:2] == [True, False]
    later = Ear(sonos.hear([moved]))
    await later.comes(moved, volume=41, sleep_timer=20)
    await later.aclose()


@pytest.mark.parametrize(("trouble", "minutes"), [("drop", 0), ("cut", 30), ("garbage", 30)])
async def test_a_sleep_timer_in_doubt_is_read(
    house: Any, sonos: Any, rooms: dict[str, Device], trouble: str, minutes: int
) -> None:
    house.speaker("Kitchen").trouble["ConfigureSleepTimer"] = trouble
    with pytest.raises(Unsure):
        await sonos.set(rooms["Kitchen"], {"sleep_timer": 30})
    assert (await sonos.read(rooms["Kitchen"]))["sleep_timer"] == minutes


# Broken on purpose


async def test_a_link_cut_in_the_middle_leaves_a_doubt_that_reading_ends(
    house: Any, sonos: Any, rooms: dict[str, Device]
) -> None:
    house.speaker("Kitchen").trouble["SetVolume"] = "cut"
    with pytest.raises(Unsure, match="Kitchen Sonos broke off"):
        await sonos.set(rooms["Kitchen"], {"volume": 70})
    assert (await sonos.read(rooms["Kitchen"]))["volume"] == 70
    house.speaker("Kitchen").trouble["SetVolume"] = "drop"
    with pytest.raises(Unsure):
        await sonos.set(rooms["Kitchen"], {"volume": 10})
    assert (await sonos.read(rooms["Kitchen"]))["volume"] == 70


async def test_silence_is_a_doubt_and_does_not_hold_the_others_up(
    house: Any, sonos: Any, rooms: dict[str, Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(skill.speaker.library().config, "REQUEST_TIMEOUT", (0.3, 0.3))  # the library's own knob
    house.speaker("Kitchen").trouble["SetVolume"] = "silence"
    slow = asyncio.create_task(sonos.set(rooms["Kitchen"], {"volume": 70}))
    await asyncio.sleep(0.05)
    await sonos.set(rooms["Bedroom"], {"volume": 9})
    assert not slow.done()
    with pytest.raises(Unsure, match="broke off without an answer"):
        await slow


async def test_garbage_is_a_clean_error(house: Any, sonos: Any, rooms: dict[str, Device]) -> None:
    await sonos.do(rooms["Kitchen"], "play", what="Kitchen Classics")
    for action in ("GetZoneGroupState", "GetVolume", "GetPositionInfo", "GetRemainingSleepTimerDuration", "Browse"):
        house.speaker("Kitchen").trouble[action] = "garbage"
        with pytest.raises(Unsure, match="Kitchen Sonos answered something that makes no sense"):
            await sonos.read(rooms["Kitchen"])
    house.speaker("Kitchen").trouble["SetVolume"] = "garbage"
    with pytest.raises(Unsure):
        await sonos.set(rooms["Kitchen"], {"volume": 70})
    assert (await sonos.read(rooms["Kitchen"]))["volume"] == 70


async def test_a_speaker_that_dies_halfway_through_a_command_leaves_a_doubt(
    house: Any, sonos: Any, rooms: dict[str, Device]
) -> None:
    house.speaker("Kitchen").trouble["SetAVTransportURI"] = "cut"
    with pytest.raises(Unsure):
        await sonos.do(rooms["Kitchen"], "play", what="Jazz Radio")


# Leaving


async def test_the_library_is_imported_only_when_a_speaker_is_met() -> None:
    code = "import sys, pathlib; from dobby.skill.load import load_skill; load_skill(pathlib.Path(sys.argv[1])).driver(); "
    code += "print('soco' in sys.modules, 'aiohttp' in sys.modules)"
    path = str(shipped("skills") / "sonos")
    done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code, path], capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False"], done.stderr


async def test_nothing_is_left_behind() -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for _ in range(2):
            household = await dollhouse.start(prefix=PREFIX, ssdp=False)
            driver = skill.Sonos(beat=BEAT)
            rooms = await adopted(driver, f"{PREFIX}.11")
            ear = Ear(driver.hear(list(rooms.values())))
            await ear.comes(rooms["Kitchen"], volume=20)
            await ear.aclose()
            assert not any(speaker.subscriptions for speaker in household.speakers.values())
            await driver.aclose()
            await household.aclose()
        gc.collect()
        await asyncio.sleep(0)
    mine = asyncio.current_task()
    assert not [task for task in asyncio.all_tasks() if task is not mine]
    await until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("dobby-sonos")])
    assert not [str(warning.message) for warning in said if issubclass(warning.category, ResourceWarning)]


async def test_hearing_ends_when_the_driver_closes(house: Any, rooms: dict[str, Device]) -> None:
    driver = skill.Sonos()
    ear = Ear(driver.hear(list(rooms.values())))
    await until(lambda: len(ear.state) == 3)
    await driver.aclose()
    await until(ear._task.done)
