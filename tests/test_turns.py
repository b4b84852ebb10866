"""Taking in goes before working, and never stops it."""

import asyncio

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
