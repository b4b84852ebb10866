"""`dobby doctor`: every family is named with how it is and what to do about it; what in the config nobody reads is sick."""

import asyncio
from pathlib import Path

from click.testing import CliRunner

from dobby.cli import main
from tests.patience import until
from tests.running import at_home, lamp_skill, write_skill

LOCKED = """
from dobby import Refused, Sign

class Driver:
    looks_for = [Sign("config", "locked")]

    async def adopt(self, finding, ask, vault):
        await ask("What is its code?", ())
        raise Refused("The bridge is paired elsewhere: unpair it, or use it through Home Assistant.")
        yield

    async def aclose(self): ...

driver = Driver
"""


def doctor(folder: Path) -> tuple[int, list[str]]:
    """Its exit status and its lines."""
    result = CliRunner().invoke(main, ["doctor", "--config", str(folder / "dobby.toml"), "--state", str(folder / "state")])
    return result.exit_code, result.output.splitlines()


async def test_each_family_is_named_with_its_health_and_what_to_do(tmp_path: Path) -> None:
    write_skill(tmp_path / "skills", "well", lamp_skill("well"))
    write_skill(
        tmp_path / "skills",
        "gone",
        lamp_skill("gone", called="Far lamp").replace("dict(STATE), available=True", "{}, available=False"),
    )
    write_skill(tmp_path / "skills", "deaf", lamp_skill("deaf").replace("while True:", "raise OSError\n        while True:"))
    write_skill(tmp_path / "skills", "none", lamp_skill("none"))
    write_skill(tmp_path / "skills", "locked", LOCKED)
    (tmp_path / "dobby.toml").touch()
    names = ("well", "gone", "deaf", "locked")
    skills = {"folders": [str(tmp_path / "skills")], **{name: {"at": ["here"]} for name in names}}
    async with at_home(tmp_path / "state", skills=skills) as dobby:
        await until(lambda: dobby.house.lost("gone.lamp") and dobby.families["deaf"].trouble and dobby.families["locked"].trouble)
        status, lines = await asyncio.to_thread(doctor, tmp_path)
    told = {line.partition(":")[0]: line for line in lines}
    assert status == 1
    assert told["ok    well"] == "ok    well: 1 devices"
    assert told["ok    gone"] == "ok    gone: 1 devices; 1 out of reach: Far lamp"
    assert told["SICK  deaf"] == "SICK  deaf: 1 devices; OSError while listening"
    assert told["ok    none"] == "ok    none: nothing found yet"
    needs = 'here needs a code, a key or a password: say "connect locked" in the chat'
    paired = "The bridge is paired elsewhere: unpair it, or use it through Home Assistant."
    assert told["SICK  locked"] == f"SICK  locked: nothing found yet; {needs}; {paired}"


def test_what_in_the_config_nobody_reads_is_sick(tmp_path: Path) -> None:
    (tmp_path / "dobby.toml").write_text('[skills.weather]\nat = ["52.5,13.4"]\ntime_zone = "Europe/Berlin"\n[skills.wether]\n')
    status, lines = doctor(tmp_path)
    assert status == 1
    assert "SICK  dobby.toml: skills.wether is not known. Did you mean 'weather'?" in lines
    assert any(line.startswith("SICK  dobby.toml: skills.weather.time_zone is not known. Known are at, ") for line in lines)
