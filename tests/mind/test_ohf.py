"""Some of Home Assistant's own sentences, where the machine has them; `python -m benchmarks understand` runs all."""

from pathlib import Path

from tests.mind.ohf import score

SOME = (
    "HassBroadcast",
    "HassLawnMowerDock",
    "HassVacuumCleanArea",
    "HassListAddItem",
    "HassShoppingListCompleteItem",
    "HassStartTimer",
    "HassCancelTimer",
    "HassMediaSearchAndPlay",
)


async def test_what_they_mean_is_done_and_nothing_else(shared_data: Path) -> None:
    found = await score(shared_data / "data" / "intents-en", SOME)
    assert sum(found.total.values()) > 40
    assert found.failed == []
