"""Taking in goes before working, and never stops it."""

import asyncio

import pytest

from dobby.turns import Turns


async def test_work_begins_at_once_where_nothing_comes() -> None:
    async with asyncio.timeout(60):
        await Turns().turn()


async def test_work_waits_for_what_is_being_taken_in() -> None:
    turns, seen = Turns(), list[str]()

    async def work() -> None:
        await turns.turn()
        seen.append("begun")

    with turns.coming():
        task = asyncio.create_task(work())
        for _ in range(5):
            await asyncio.sleep(0)
        seen.append("taken in")
    await task
    assert seen == ["taken in", "begun"]


async def test_a_flood_slows_work_down_and_never_stops_it() -> None:
    turns = Turns()
    with turns.coming(), turns.coming():
        async with asyncio.timeout(60):
            await asyncio.gather(*(turns.turn() for _ in range(3)))


@pytest.mark.parametrize(("apart", "begun"), [(0.005, False), (0.5, True)])
async def test_between_the_texts_of_a_flood_no_work_begins(apart: float, begun: bool) -> None:
    now = 100.0
    turns = Turns(lambda: now)
    with turns.coming():
        now += apart
    with turns.coming():
        pass
    task = asyncio.create_task(turns.turn())
    for _ in range(5):
        await asyncio.sleep(0)
    assert task.done() is begun
    now += 1.0
    await task
