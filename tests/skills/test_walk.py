"""Which thing is which, and the walk through what stands in no room: lamps of the lifx-emulator blink, names are said as ever."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dobby.dollhouse.house import device_side
from dobby.paths import shipped
from tests.patience import until
from tests.running import SHIPPED, ask, at_home, lamp_skill, write_skill


@pytest.fixture
async def lifx() -> AsyncIterator[Any]:
    side = await device_side(shipped("skills") / "lifx").start()
    yield side
    await side.aclose()


async def test_a_thing_shows_itself_is_placed_and_the_walk_goes_on(tmp_path: Path) -> None:
    for name, kind, called in (("lantern", "light", "Mystery lamp"), ("plug", "outlet", "Mystery plug")):
        write_skill(tmp_path / "mine", name, lamp_skill(name, kind, called).replace('room="Study", ', ""))
    write_skill(tmp_path / "mine", "desk", lamp_skill("desk", "light", "Desk lamp"))
    own: dict[str, Any] = {"lantern": {"at": ["here"]}, "plug": {"at": ["here"]}, "desk": {"at": ["here"]}}
    tables = {"off": [name for name in SHIPPED if name != "walk"], "folders": [str(tmp_path / "mine")], **own}
    state = tmp_path / "state"
    async with at_home(state, skills=tables) as dobby:
        await until(lambda: all(dobby.families[name].devices for name in own))
        first, *_ = await ask(state, "walk me through the rooms")
        assert first.startswith("Mystery lamp blinked. Where is it, and what is it called?")
        assert "1 more" in first
        await ask(state, "it is in the study")
        await until(lambda: (lamp := dobby.house.get("lantern.lamp")) and lamp.room.casefold() == "study")
        (second,) = await ask(state, "walk on")
        assert second.startswith("Mystery plug (outlet) cannot show itself."), "a plug is not switched to show itself"
        await ask(state, "rename it to Kettle plug")
        await until(lambda: (plug := dobby.house.get("plug.lamp")) and plug.name == "Kettle plug")
        assert await ask(state, "walk on") == ["That was the last one; the walk is over."]
        assert "on no walk" in (await ask(state, "walk on"))[0]


async def test_one_thing_is_asked_for_by_name_or_part_of_it(tmp_path: Path, lifx: Any) -> None:
    off = [name for name in SHIPPED if name not in ("lifx", "walk")]
    async with at_home(tmp_path, skills={"off": off, "lifx": dict(lifx.config)}) as dobby:
        await until(lambda: len(dobby.families["lifx"].devices) == len(lifx.config["at"]))
        lamp = dobby.families["lifx"].devices[0]
        assert await ask(tmp_path, f"which one is the {lamp.name}?") == [f"{lamp.name} blinked."]
        assert await ask(tmp_path, "identify the grand piano") == ["I know nothing called “grand piano”."]
        assert (await ask(tmp_path, "stop the walk"))[0].startswith("We are on no walk")
