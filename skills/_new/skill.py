"""How long an egg takes, and switching the egg cooker on. It knows nothing of pans."""

from typing import Literal

from dobby import Home, act, read

MINUTES = {"soft": 6, "medium": 8, "hard": 10}


@read(says=["how long does a {hardness} [boiled] egg take"])
async def minutes(hardness: Literal["soft", "medium", "hard"]) -> str:
    """Say how many minutes an egg takes."""
    return f"{MINUTES[hardness]} minutes for a {hardness} egg."


@act(says=["cook [the] eggs", "start the egg cooker"])
async def cook(home: Home) -> str:
    """Switch the egg cooker's outlet on, if there is one."""
    found = home.find("Egg cooker")
    return await home.set(found[0], on=True) if found else "There is no outlet called Egg cooker."
