"""The ScreenLogic skill against a gateway on loopback: real TCP, the library unpatched."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from typing import Any

import pytest

from dobby import Change, Device, Finding, Refused, Sign, State, Unreachable, Unsure
from dobby.dollhouse.house import device_side
from dobby.paths import shipped
from dobby.skill.load import load_skill
from tests.fakes import Empty, nobody
from tests.patience import until

pytest.importorskip("screenlogicpy", reason="pip install 'dobby[pool]'")
load_skill(shipped("skills") / "screenlogic")
skill = import_module("dobby_skill_screenlogic")
dollhouse = device_side(shipped("skills") / "screenlogic")


@pytest.fixture
async def pool() -> AsyncIterator[Any]:
    gateway = await dollhouse.start(prefix="127.77.59")
    yield gateway
    await gateway.aclose()


@pytest.fixture
async def driver() -> AsyncIterator[Any]:
    made = skill.ScreenLogic(beat=0.3)
    yield made
    await made.aclose()


async def adopted(driver: Any, at: str) -> dict[str, Device]:
    return {device.name: device async for device in driver.adopt(Finding(Sign("own", "screenlogic"), at), nobody, Empty())}


@pytest.fixture
async def found(pool: Any, driver: Any) -> dict[str, Device]:
    return await adopted(driver, pool.config["at"][0])


@asynccontextmanager
async def hearing(driver: Any, device: Device) -> AsyncIterator[list[Change]]:
    heard: list[Change] = []

    async def listen() -> None:
        async for change in driver.hear([device]):
            heard.append(change)

    task = asyncio.create_task(listen())
    await until(lambda: heard)
    yield heard
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_pool_spa_and_circuits_are_adopted_in_celsius(found: dict[str, Device]) -> None:
    kinds = {name: device.kind for name, device in found.items()}
    assert kinds == {"Pool": "pool", "Spa": "pool", "Waterfall": "switch", "Pool Light": "light"}
    target = found["Spa"].traits["target"]
    assert (target.low, target.high) == (4.44, 40)
    assert found["Pool"].id == "screenlogic.00c033010203_pool"
    assert found["Pool"].identity == "mac:00c033010203"


async def test_reading_is_a_fresh_look(pool: Any, driver: Any, found: dict[str, Device]) -> None:
    state = await driver.read(found["Pool"])
    assert state == {
        **{"on": True, "target": 27.78, "temperature": 26.11, "pump": True, "mode": "pool"},
        **{"ph": 7.42, "orp": 680, "salt": 3200},
    }
    pool.temperatures[1] = 104
    assert (await driver.read(found["Spa"]))["temperature"] == 40


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("Spa", {"target": 38}),
        ("Spa", {"on": True}),
        ("Pool", {"on": False}),
        ("Pool", {"mode": "spa"}),
        ("Waterfall", {"on": True}),
        ("Pool Light", {"on": True}),
    ],
)
async def test_what_is_set_is_so(driver: Any, found: dict[str, Device], name: str, wanted: State) -> None:
    await driver.set(found[name], wanted)
    state = await driver.read(found[name])
    assert all(found[name].traits[trait].matches(value, state[trait]) for trait, value in wanted.items())


async def test_a_gateway_that_counts_in_celsius_is_taken_at_its_word(driver: Any) -> None:
    pool = await dollhouse.start(prefix="127.77.59", celsius=True)
    found = await adopted(driver, pool.config["at"][0])
    await driver.set(found["Spa"], {"target": 36})
    assert pool.truth(found["Spa"].id)["target"] == 36
    await pool.aclose()


@pytest.mark.parametrize("wanted", [{"target": 80}, {"target": "hot"}, {"temperature": 30}, {"mode": "sauna"}])
async def test_what_cannot_be_is_refused(pool: Any, driver: Any, found: dict[str, Device], wanted: State) -> None:
    with pytest.raises(Refused):
        await driver.set(found["Pool"], wanted)
    assert pool.truth(found["Pool"].id) == {"on": True, "target": 82, "temperature": 79}


async def test_changes_are_pushed_and_a_restart_is_one_gap(pool: Any, driver: Any, found: dict[str, Device]) -> None:
    driver.beat = 0.3
    async with hearing(driver, found["Spa"]) as heard:
        pool.targets[1] = 100
        pool.changed()
        await until(lambda: heard[-1].state.get("target") == 37.78)
        await pool.down()
        await until(lambda: [c.available for c in heard if c.available is not None] == [True, False])
        with pytest.raises(Unreachable):
            await driver.set(found["Spa"], {"on": True})
        await pool.up()
        await until(lambda: [c.available for c in heard if c.available is not None] == [True, False, True])


async def test_a_changed_address_is_the_same_pool(pool: Any, driver: Any, found: dict[str, Device]) -> None:
    await pool.down()
    pool.port = 0
    await pool.up()
    moved = await adopted(driver, pool.config["at"][0])
    assert moved["Pool"].id == found["Pool"].id
    assert moved["Pool"].address != found["Pool"].address
    assert (await driver.read(moved["Pool"]))["on"] is True


async def test_a_link_cut_in_the_middle_is_done_or_in_doubt(pool: Any, driver: Any, found: dict[str, Device]) -> None:
    pool.trouble[12530] = "cut"
    with suppress(Unsure):
        await driver.set(found["Waterfall"], {"on": True})
    assert (await driver.read(found["Waterfall"]))["on"] is True


async def test_garbage_is_no_reading_and_the_next_look_is_fine(pool: Any, driver: Any, found: dict[str, Device]) -> None:
    pool.trouble[12526] = "garbage"
    with pytest.raises(Unreachable, match="did not answer as it should"):
        await driver.read(found["Pool"])
    assert (await driver.read(found["Pool"]))["on"] is True


async def test_nobody_there_is_said(driver: Any) -> None:
    with pytest.raises(Unreachable, match="does not answer"):
        await adopted(driver, "127.0.0.1:9")
    with pytest.raises(Refused):
        await adopted(driver, "127.0.0.1:pool")
