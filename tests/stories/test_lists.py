"""Lists in a house that has none of its own: kept as rows, asked about, undone; and one that nobody has is never another."""

from collections.abc import AsyncIterator

import pytest

from dobby.house import lists
from tests.stories.family import Family, at_home


@pytest.fixture
async def home() -> AsyncIterator[Family]:
    async with at_home() as family:
        yield family


def shopping(home: Family) -> object:
    return home.now("list.shopping")["items"]


async def kept(home: Family, device: str = "list.shopping") -> object:
    """By the rows, which is what a restart finds."""
    return (await home.store.read(lambda db: lists.items_of(db, device)))["items"]


async def test_things_are_written_on_it_without_any_device(home: Family) -> None:
    assert await home.tells("anna", "add milk n aa batteries") == "Milk and aa batteries added to Shopping List."
    await home.say("tom", "wir brauchen noch Klopapier")
    assert shopping(home) == await kept(home) == ["milk", "aa batteries", "Klopapier"]
    assert await home.asks("leo", "what's on the shopping list?") == "Shopping List: milk, aa batteries and Klopapier."
    assert "Yes" in await home.asks("anna", "do we need milk?")
    assert "No" in await home.asks("anna", "is butter on the list?")


async def test_what_was_bought_comes_off_and_only_that(home: Family) -> None:
    await home.say("anna", "add milk, eggs and aa batteries to the list")
    await home.say("tom", "we got the milk")
    await home.say("tom", "cross off the batteries")
    assert shopping(home) == ["eggs"]
    assert "not on" in await home.asks("tom", "take butter off the list")
    assert "added" not in await home.asks("tom", "we got a problem")


async def test_the_same_twice_is_twice_and_undo_takes_one_back(home: Family) -> None:
    await home.say("anna", "add milk")
    await home.say("anna", "add milk")
    assert shopping(home) == ["milk", "milk"]
    await home.say("anna", "undo")
    assert shopping(home) == await kept(home) == ["milk"]


async def test_it_is_cleared_at_once_and_that_can_be_undone(home: Family) -> None:
    await home.say("anna", "we need milk, bread and salt and pepper")
    assert shopping(home) == ["milk", "bread", "salt", "pepper"]
    assert "taken off" in await home.tells("anna", "clear the list")
    assert shopping(home) == await kept(home) == []
    await home.say("anna", "undo")
    assert sorted(map(str, shopping(home))) == ["bread", "milk", "pepper", "salt"]  # type: ignore[call-overload]
    assert "Nothing" not in await home.asks("anna", "what do we need?")


async def test_a_list_that_nobody_has_is_offered_and_is_no_other(home: Family) -> None:
    assert "no Packing List" in await home.asks("anna", "add tent to the packing list")
    assert await home.tells("anna", "yes") == "Begun: Packing List: tent."
    await home.say("anna", "put soap and matches on the packing list")
    assert await kept(home, "list.packing") == ["tent", "soap", "matches"]
    assert await kept(home) == []
    assert "no To Do List" in await home.asks("anna", "add homework to the to do list")


async def test_a_list_that_was_begun_can_be_undone_until_more_is_on_it(home: Family) -> None:
    await home.say("anna", "start a packing list")
    await home.say("tom", "add tent to the packing list")
    await home.say("anna", "undo")
    assert home.house.get("list.packing") is not None, "Tom's tent is on it"
    await home.say("tom", "undo")
    await home.say("anna", "start a wish list")
    await home.say("anna", "undo")
    assert home.house.get("list.wish") is None


async def test_a_guest_and_a_child_may_write_on_it(home: Family) -> None:
    await home.say("leo", "add chocolate")
    await home.say("gus", "add coffee to the list please")
    assert shopping(home) == ["chocolate", "coffee"]
