"""Music by name: one thing is meant, several are asked about, nothing is said with the nearest, never a substitute."""

import asyncio
from collections.abc import Sequence

import pytest

from dobby import Hit, Music, Piece, Refused
from dobby.paths import shipped
from dobby.skill.load import load_skill


class Box:
    """A shelf with these hits on it; or one that never answers, or breaks."""

    def __init__(self, *hits: Hit, fault: Exception | None = None, silent: bool = False) -> None:
        self.hits, self.fault, self.silent = hits, fault, silent

    async def look_up(self, what: str) -> Sequence[Hit]:
        if self.fault:
            raise self.fault
        if self.silent:
            await asyncio.Event().wait()
        return self.hits

    async def names(self) -> Sequence[str]:
        return [hit.name for hit in await self.look_up("")]


def music(*hits: Hit) -> Music:
    return Music({"nas": Box(*hits)})


def hit(name: str, kind: str, more: str = "") -> Hit:
    return Hit(name, kind, (Piece(f"http://nas/{name}", name),), more)


LIBRARY = (
    hit("Jazz", "genre"),
    hit("Miles Davis", "artist"),
    hit("Hallelujah", "track", "Leonard Cohen"),
    hit("Hallelujah", "track", "Jeff Buckley"),
    hit("Beyoncé", "artist"),
    hit("Blue Train", "album", "John Coltrane"),
    hit("Blue Train", "track", "John Coltrane"),
    hit("Radio Swiss Jazz", "station", "jazz"),
)


@pytest.mark.parametrize(
    ("asked", "kind", "name"),
    [
        ("jazz", "genre", "Jazz"),
        ("some JAZZ music", "genre", "Jazz"),
        ("miles davis", "artist", "Miles Davis"),
        ("beyonce", "artist", "Beyoncé"),
        ("blue train", "album", "Blue Train"),
        ("Hallelujah by Jeff Buckley", "track", "Hallelujah"),
        ("swiss jazz", "station", "Radio Swiss Jazz"),
        ("coltrane blue train", "album", "Blue Train"),
    ],
)
async def test_a_name_means_one_thing(asked: str, kind: str, name: str) -> None:
    found = await music(*LIBRARY).find(asked)
    assert (found.kind, found.name) == (kind, name)


async def test_what_several_go_by_is_asked_about() -> None:
    with pytest.raises(Refused, match="Several go by “hallelujah”: Hallelujah by Leonard Cohen, Hallelujah by Jeff Buckley"):
        await music(*LIBRARY).find("hallelujah")
    with pytest.raises(Refused, match="Several go by “radio”: Jazz Radio, BBC Radio 4"):
        await music().find("radio", own=[hit("Jazz Radio", "favourite"), hit("BBC Radio 4", "favourite")])


async def test_a_players_own_comes_before_what_is_near_elsewhere() -> None:
    found = await music(hit("Radio Swiss Jazz", "station")).find("jazz", own=[hit("Jazz Radio", "favourite")])
    assert found.name == "Jazz Radio"


async def test_nothing_is_said_with_the_nearest_and_never_replaced() -> None:
    with pytest.raises(Refused, match=r"nothing called “mils davs” to play\. The nearest is: Miles Davis\."):
        await music(*LIBRARY).find("mils davs")
    with pytest.raises(Refused, match=r"nothing called “polka” to play\. There are: Jazz,"):
        await music(*LIBRARY).find("polka")
    with pytest.raises(Refused, match=r"^There is nothing called “polka” to play\.$"):
        await Music().find("polka")


async def test_a_shelf_that_breaks_leaves_the_others_alone_and_is_named_where_it_might_have_had_it() -> None:
    house = Music({"attic": Box(fault=ValueError("oops")), "nas": Box(*LIBRARY)})
    assert (await house.find("jazz")).name == "Jazz"
    with pytest.raises(Refused, match=r"There are: .*\. attic did not answer, though\."):
        await house.find("polka")


async def test_stations_are_shipped_and_the_owner_adds_and_replaces_some() -> None:
    skill = load_skill(shipped("skills") / "music")
    assert skill.shelf
    stations = skill.shelf({"stations": {"fip": "http://mine/fip", "Kids": {"url": "http://mine/kids", "more": "stories"}}})
    house = Music({"music": stations})
    assert (await house.find("FIP")).pieces == (Piece("http://mine/fip", "fip"),)
    assert (await house.find("stories")).name == "Kids"
    assert (await house.find("deutschlandfunk")).pieces[0].uri.startswith("https://")
    with pytest.raises(ValueError, match="the station “Bad” needs an address"):
        skill.shelf({"stations": {"Bad": "file:///etc/passwd"}})
