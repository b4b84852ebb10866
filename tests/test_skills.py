"""Skills: a folder becomes functions and a driver; a broken or blocking one is named once and never stops Dobby."""

import asyncio
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dobby.butler.album import Album
from dobby.cli import main
from dobby.cli.line import Line
from dobby.config import SkillsConfig
from dobby.errors import Refused, SkillError
from dobby.paths import shipped
from dobby.skill.load import ahead, load_skill, load_skills, misread, tighten
from tests.patience import until
from tests.running import SHIPPED, ask, at_home, conversation, lamp_skill, write_skill

GOOD = '''
    """Says things."""
    from typing import Literal
    from dobby import Home, act, guarded, read

    @read(says=["how is the {what}"])
    async def look(what: str) -> str:
        """Say how something is."""
        return f"The {what} is fine."

    @act
    async def touch(home: Home, times: int = 1, how: Literal["soft", "hard"] = "soft") -> str:
        """Touch something."""
        return "done"

    @guarded
    async def spend(euros: float) -> str:
        """Spend money."""
        return "spent"
'''


# Loading


def test_a_signature_becomes_a_schema_and_what_is_injected_is_not_in_it(tmp_path: Path) -> None:
    skill = load_skill(write_skill(tmp_path, "thing", GOOD))
    assert {name: tool.level for name, tool in skill.tools.items()} == {
        "thing.look": "read",
        "thing.touch": "act",
        "thing.spend": "guarded",
    }
    touch = skill.tools["thing.touch"]
    assert touch.given == ("home",)
    assert touch.schema["properties"]["how"]["enum"] == ["soft", "hard"]
    assert (touch.schema.get("required"), touch.schema["additionalProperties"]) == (None, False)
    assert skill.tools["thing.look"].description == "Say how something is."


def test_arguments_are_converted_or_refused_in_words(tmp_path: Path) -> None:
    skill = load_skill(write_skill(tmp_path, "thing", GOOD))
    assert skill.tools["thing.touch"].check({"times": "3"}) == {"times": 3, "how": "soft"}
    for wrong in ({"times": "many"}, {"how": "rough"}, {"home": "x"}, {"unknown": 1}):
        with pytest.raises(Refused, match=r"thing\.touch cannot be called so"):
            skill.tools["thing.touch"].check(wrong)


FUNCTION = 'from dobby import read\n\n@read\nasync def look() -> str:\n    """Look."""\n    return ""\n'


@pytest.mark.parametrize(
    ("code", "front", "words"),
    [
        ("", "description: x\n", "`name` in SKILL.md must be 'sick'"),
        ("", "name: other\ndescription: x\n", "`name` in SKILL.md must be 'sick'"),
        ("", "name: sick\n", "needs a `description`"),
        ("", "name: sick\ndescription: [a, b]\n", "needs a `description`"),
        ("", f"name: sick\ndescription: {'x' * 1025}\n", "at most 1024"),
        ("", "name: [sick\n", "is not YAML"),
        ("", "- sick\n", "`name` in SKILL.md must be 'sick'"),
        ("import nowhere_to_be_found", None, "ModuleNotFoundError"),
        ("raise SystemError('boo')", None, "SystemError: boo"),
        ("def f(:", None, "SyntaxError"),
        (FUNCTION.replace('"""Look."""', ""), None, "sick.look has no docstring"),
        (FUNCTION.replace("async def", "def"), None, "sick.look must be `async def`"),
        (FUNCTION.replace("look()", "look(a: 'Nowhere')"), None, "cannot be read"),
        (FUNCTION.replace("look()", "look(a: object())"), None, "cannot be read"),
        (FUNCTION.replace("@read", "@read(says='how [is it')"), None, "has a sentence that cannot be read"),
        (FUNCTION.replace("@read", "@read(says='')"), None, "has a sentence that cannot be read"),
        (FUNCTION.replace("@read", "@read(says='how is {it}')"), None, "has no parameter it"),
        (FUNCTION.replace("@read", "@read(says='how is <rule>')"), None, "has no parameter <rule>"),
    ],
)
def test_a_broken_skill_is_named_in_words_and_leaves_the_others_alone(
    tmp_path: Path, code: str, front: str | None, words: str
) -> None:
    write_skill(tmp_path, "sick", code, front=front)
    write_skill(tmp_path, "thing", GOOD)
    skills, broken = load_skills([tmp_path])
    assert list(skills) == ["thing"]
    assert words in broken["sick"]
    assert "sick" in broken["sick"]


def test_a_folder_without_front_matter_or_without_skill_md_is_broken_too(tmp_path: Path) -> None:
    (write_skill(tmp_path, "bare", GOOD) / "SKILL.md").unlink()
    (write_skill(tmp_path, "plain", GOOD) / "SKILL.md").write_text("# No front matter\n")
    (write_skill(tmp_path, "bytes", GOOD) / "SKILL.md").write_bytes(b"---\n\xff\n---\n")
    (tmp_path / "just-files").mkdir()
    skills, broken = load_skills([tmp_path, tmp_path / "gone"])
    assert not skills
    assert "no readable SKILL.md" in broken["bare"]
    assert "must begin with front matter" in broken["plain"]
    assert "no readable SKILL.md" in broken["bytes"]
    assert "There is no folder" in broken[str(tmp_path / "gone")]
    assert len(broken) == 4


def test_the_owners_skill_beats_a_shipped_one_of_its_name_and_that_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_skill(tmp_path, "mqtt", GOOD)
    with caplog.at_level(logging.INFO):
        skills, broken = load_skills([tmp_path, shipped("skills")], ["sonos"])
    assert not broken
    assert skills["mqtt"].folder == tmp_path / "mqtt"
    assert f"The skill in {shipped('skills') / 'mqtt'} stays unused" in caplog.text


def test_a_level_may_be_tightened_and_never_loosened(tmp_path: Path) -> None:
    tools = load_skill(write_skill(tmp_path, "thing", GOOD)).tools
    wanted = {"thing.look": "guarded", "thing.touch": "read", "thing.spend": "act"}
    assert [tighten(tool, wanted) for tool in tools.values()] == ["guarded", "act", "guarded"]
    assert [tighten(tool, {}) for tool in tools.values()] == ["read", "act", "guarded"]


def test_a_skill_that_fails_to_load_anew_leaves_the_one_before_in_use(tmp_path: Path) -> None:
    folder = write_skill(tmp_path, "thing", GOOD)
    (folder / "more.py").write_text("WORD = 'old'\n")
    old = load_skill(folder)
    write_skill(tmp_path, "thing", "from .more import WORD\nraise ValueError(WORD)")
    with pytest.raises(SkillError, match="ValueError: old"):
        load_skill(folder)
    assert sys.modules["dobby_skill_thing"].look is old.tools["thing.look"].function  # type: ignore[attr-defined]


def test_a_change_within_the_same_second_is_loaded(tmp_path: Path) -> None:
    for word in ("abcd", "efgh", "ijkl"):
        skill = load_skill(write_skill(tmp_path, "thing", GOOD.replace("fine", word)))
        assert asyncio.run(skill.tools["thing.look"].function("tea")) == f"The tea is {word}."


# What a skill is handed


async def test_a_skill_is_handed_an_opened_device_with_its_settings_and_it_is_closed_after(tmp_path: Path) -> None:
    write_skill(
        tmp_path / "skills",
        "kettle",
        '''
        from dobby import act, device, read

        LOG = []

        @device
        async def kettle(host: str, port: int = 80):
            LOG.append(f"open {host}:{port}")
            yield LOG
            LOG.append("closed")

        @device
        async def pot(handle: str):
            yield handle

        @read(says=["is the kettle warm"])
        async def warm(kettle) -> str:
            """Say whether it is warm."""
            return " then ".join(kettle)

        @read(says=["is the pot warm"])
        async def potted(pot) -> str:
            """Say whether the pot is warm."""
            return pot
        ''',
    )
    skills = {"folders": [str(tmp_path / "skills")], "kettle": {"host": "10.0.0.9", "at": []}}
    async with at_home(tmp_path / "state", skills=skills):
        first, second, pot = await ask(tmp_path / "state", "is the kettle warm?", "is the kettle warm", "is the pot warm")
    assert first == "open 10.0.0.9:80"
    assert second == "open 10.0.0.9:80 then closed then open 10.0.0.9:80"
    assert "kettle needs handle in [skills.kettle] of dobby.toml" in pot


HOMELY = (
    lamp_skill("homely")
    + '''
from dobby import Home
from dobby.errors import DobbyError

@act(says=["make it bright"])
async def bright(home: Home) -> str:
    """Light."""
    [lamp] = home.find("test LAMP", kind="light", room="study")
    return f"{await home.set(lamp, brightness=80)} It was {home.state(lamp)['brightness']}."

@read(says=["would it be bright"])
async def sly(home: Home) -> str:
    """A look that acts."""
    return await home.set("homely.lamp", brightness=90)

@act(says=["remember {word}"])
async def remember(home: Home, word: str) -> str:
    """Keep a word."""
    await home.vault.put("word", word)
    return home.vault.get("word") or ""
'''
)


async def test_what_a_skill_changes_is_a_row_through_the_gate_and_a_look_changes_nothing(tmp_path: Path) -> None:
    write_skill(tmp_path / "skills", "homely", HOMELY)
    skills = {"folders": [str(tmp_path / "skills")], "homely": {"at": ["here"]}}
    async with at_home(tmp_path / "state", skills=skills) as dobby:
        await until(lambda: dobby.house.state.of("homely.lamp"))
        bright, sly, word = await ask(tmp_path / "state", "make it bright", "would it be bright?", "remember jam")
        rows = await dobby.store.read(
            lambda db: db.execute("SELECT tool, device, state, risk FROM effect ORDER BY id").fetchall()
        )
        assert dobby.house.state.of("homely.lamp")["brightness"] == 80
        assert dobby.vault.of("homely") == {"word": "jam"}
    assert "80" in bright
    assert "only asked to look" in sly
    assert word == "jam"
    assert ("set", "homely.lamp", "done", "comfort") in rows
    assert [row[0] for row in rows] == ["homely.bright", "set", "homely.remember"]


PAINTER = """
from dobby import Picture, act, read

@read(says=["show me {what}"])
async def show(what: str) -> Picture:
    \"\"\"Show something.\"\"\"
    return Picture(f"Here is {what}.", bytes.fromhex("89504e470d0a1a0a") if what != "a lie" else b"GIF")

@act(says=["paint {what}"])
async def paint(what: str) -> Picture:
    \"\"\"Paint something.\"\"\"
    return Picture(f"Painted {what}.", b"RIFF1234WEBP")
"""


async def test_a_function_may_answer_with_a_picture_and_it_goes_with_the_reply(tmp_path: Path) -> None:
    write_skill(tmp_path / "skills", "painter", PAINTER)
    async with at_home(tmp_path / "state", skills={"folders": [str(tmp_path / "skills")]}) as dobby:
        said = await ask(tmp_path / "state", "show me the cat", "paint a door", "show me a lie")
        rows = await dobby.store.read(lambda db: db.execute("SELECT picture FROM outbox ORDER BY id").fetchall())
    cat, door, lie = (row[0] for row in rows)
    assert said == ["Here is the cat.", "Painted a door.", "That is no picture that can be shown."]
    assert Path(cat).parent == Path(door).parent == tmp_path / "state" / "attachments"  # where a backup finds them
    assert Path(cat).read_bytes().startswith(b"\x89PNG") and Path(door).suffix == ".webp" and lie == ""


async def test_an_album_is_bounded_and_keeps_the_same_picture_once(tmp_path: Path) -> None:
    album = Album(tmp_path, most=100)
    first = await album.keep(b"\xff\xd8\xff" + b"1" * 57)
    assert await album.keep(b"\xff\xd8\xff" + b"1" * 57) == first
    os.utime(first, (0, 0))
    second = await album.keep(b"\xff\xd8\xff" + b"2" * 57)
    assert [str(path) for path in tmp_path.iterdir()] == [second]
    assert await Album().keep(b"\xff\xd8\xff") == ""


BURGLAR = (
    lamp_skill("burglar", "lock", "Front door").replace('{"on": False, "brightness": 10}', '{"locked": True}')
    + '''
@act(says=["let me in"])
async def enter(home) -> str:
    """Unlock."""
    return await home.set("burglar.lamp", locked=False)

@guarded(says=["spend {euros} euros"])
async def spend(euros: int) -> str:
    """Spend."""
    return f"{euros} spent."
'''
)


async def test_where_an_owner_must_be_asked_a_skill_may_not_by_itself_and_the_refusal_is_a_row(tmp_path: Path) -> None:
    write_skill(tmp_path / "skills", "burglar", BURGLAR)
    skills = {"folders": [str(tmp_path / "skills")], "burglar": {"at": ["here"]}}
    async with at_home(tmp_path / "state", skills=skills) as dobby:
        await until(lambda: dobby.house.state.of("burglar.lamp"))
        inside, spend, yes = await ask(tmp_path / "state", "let me in", "spend 5 euros", "yes")
        rows = await dobby.store.read(lambda db: db.execute("SELECT tool, state, risk FROM effect ORDER BY id").fetchall())
        assert dobby.house.state.of("burglar.lamp")["locked"] is True
    assert "may not do that to Front door by itself" in inside
    assert ("set", "refused", "entry") in rows
    assert spend.endswith("?")
    assert yes == "5 spent."


async def test_a_skill_that_fails_or_never_answers_is_told_and_the_next_text_is_answered(tmp_path: Path) -> None:
    write_skill(
        tmp_path / "skills",
        "sick",
        '''
        from dobby import Unreachable, act, read

        @read(says=["break"])
        async def crash() -> str:
            """Crash."""
            raise ZeroDivisionError("boo")

        @act(says=["try the pump"])
        async def pump() -> str:
            """Not there."""
            raise Unreachable("The pump does not answer.")

        @act(says=["be slow"])
        async def slow() -> str:
            """Times out."""
            raise TimeoutError
        ''',
    )
    async with at_home(tmp_path / "state", skills={"folders": [str(tmp_path / "skills")]}):
        crash, pump, slow, fine = await ask(tmp_path / "state", "break", "try the pump", "be slow", "hello")
    assert "ZeroDivisionError" in crash
    assert "The pump does not answer." in pump
    assert "did not answer in time" in slow
    assert fine


# A new one


def test_a_new_skill_runs_its_own_test_and_answers_with_no_model(tmp_path: Path) -> None:
    made = _dobby("skills", "new", "egg-timer", "--in", str(tmp_path / "mine"))
    assert "how long does a soft egg take" in made.stdout
    tested = subprocess.run([sys.executable, "-m", "pytest", "-q", tmp_path / "mine/egg-timer"], capture_output=True, text=True)
    assert "3 passed" in tested.stdout, tested.stdout + tested.stderr

    async def talk() -> list[str]:
        async with at_home(tmp_path / "state", skills={"folders": [str(tmp_path / "mine")]}):
            return await ask(
                tmp_path / "state", "How long does a soft egg take?", "how long does a hard boiled egg take", "cook the eggs"
            )

    soft, hard, cook = asyncio.run(talk())
    assert soft == "6 minutes for a soft egg."
    assert hard == "10 minutes for a hard egg."
    assert "no outlet called Egg cooker" in cook


@pytest.mark.parametrize("name", ["Egg", "egg timer", "../egg", "egg--timer", "-egg", "e" * 65])
def test_a_name_that_no_folder_may_have_is_refused(tmp_path: Path, name: str) -> None:
    refused = _dobby("skills", "new", "--in", str(tmp_path), "--", name, code=2)
    assert "like egg-timer" in refused.stderr
    assert not list(tmp_path.iterdir())


def test_a_skill_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "egg").mkdir()
    assert "is there already; nothing was changed" in _dobby("skills", "new", "egg", "--in", str(tmp_path), code=1).stderr


def test_the_list_says_what_each_skill_may_do_and_which_is_broken(tmp_path: Path) -> None:
    write_skill(tmp_path / "mine", "thing", GOOD)
    write_skill(tmp_path / "mine", "sick", "import nowhere_to_be_found")
    (tmp_path / "dobby.toml").write_text(
        '[skills]\nfolders = ["mine"]\noff = ["mqtt"]\n[skills.levels]\n"thing.look" = "guarded"\n'
    )
    shown = _dobby("skills", "--config", str(tmp_path / "dobby.toml"), "--state", str(tmp_path / "state")).stdout
    assert "guarded  thing.look: Say how something is." in shown
    assert "sick         BROKEN: The skill sick does not load: ModuleNotFoundError" in shown
    assert "mqtt         off" in shown
    assert "functions only; Dobby is not running" in shown


def _dobby(*words: str, code: int = 0) -> Result:
    run = CliRunner().invoke(main, words)
    assert run.exit_code == code, run.output
    return run


# While he runs


async def test_a_changed_skill_is_taken_in_while_he_runs_and_the_old_one_kept_where_the_new_one_fails(tmp_path: Path) -> None:
    place, state = tmp_path / "skills", tmp_path / "state"
    says = '\n@read(says=["what is the word"])\nasync def word() -> str:\n    """Say it."""\n    return "WORD"\n'
    write_skill(place, "lively", lamp_skill("lively") + says)
    skills = {"folders": [str(place)], "lively": {"at": ["here"]}}
    async with at_home(state, skills=skills) as dobby:
        await until(lambda: dobby.house.state.of("lively.lamp"))
        assert await ask(state, "what is the word?") == ["WORD"]
        old = dobby.drivers["lively"]

        write_skill(place, "lively", lamp_skill("lively").replace("10}", "20}") + says.replace("WORD", "fresh"))
        write_skill(place, "late", GOOD)
        await until(lambda: dobby.drivers["lively"] is not old and "late" in dobby.toolbox.skills)
        await until(lambda: dobby.house.state.of("lively.lamp").get("brightness") == 20)
        assert await ask(state, "what is the word", "how is the tea?", "turn on the test lamp") == [
            "fresh",
            "The tea is fine.",
            "Test lamp on.",
        ]

        kept = dobby.drivers["lively"]
        write_skill(place, "lively", "def f(:")
        await until(lambda: "lively" in dobby.broken)
        write_skill(place, "late", GOOD + "\n    class driver:\n        def __init__(self): raise OSError('no')\n")
        await until(lambda: "late" in dobby.broken)
        assert dobby.drivers["lively"] is kept
        assert await ask(state, "what is the word", "how is the tea", "turn off the test lamp") == [
            "fresh",
            "The tea is fine.",
            "Test lamp off.",
        ]
        told = [text for text in await conversation(state) if "stays in use" in text]
        assert len(told) == 2
        assert "The skill lively does not load: SyntaxError" in told[0]
        assert "The driver of late cannot be made: OSError: no" in told[1]

        write_skill(place, "lively", says.replace("WORD", "mended").replace("@read", "from dobby import read\n@read", 1))
        await until(lambda: "lively" not in dobby.broken)
        assert await ask(state, "what is the word") == ["mended"]
        assert "lively" not in dobby.drivers


async def test_what_is_broken_at_the_start_is_told_once_ever_and_he_lives(tmp_path: Path) -> None:
    write_skill(tmp_path / "skills", "sick", "import nowhere_to_be_found")
    write_skill(tmp_path / "skills", "odd", "class driver:\n    def __init__(self, more): ...")
    front = "name: calm\ndescription: A skill for a test.\nmetadata: {settings: [at]}\n"
    write_skill(tmp_path / "skills", "calm", "", front=front)
    own = {"calm": {"at": [], "time_zone": "Europe/Berlin"}, "clam": {}}
    skills = {"folders": [str(tmp_path / "skills")], "levels": {"thing.nothing": "guarded"}, **own}
    for _ in range(2):
        async with at_home(tmp_path / "state", skills=skills):
            assert await ask(tmp_path / "state", "hello")
            said = await conversation(tmp_path / "state")
    assert len([text for text in said if "The skill sick does not load" in text]) == 1
    assert len([text for text in said if "The driver of odd cannot be made" in text]) == 1
    assert len([text for text in said if "names thing.nothing, but no skill has such a function" in text]) == 1
    assert said.count("dobby.toml: skills.calm.time_zone is not known. Known are at.") == 1
    assert said.count("dobby.toml: skills.clam is not known. Did you mean 'calm'?") == 1


async def test_a_skill_that_blocks_is_named_once_in_words_and_never_stops_him(tmp_path: Path) -> None:
    write_skill(
        tmp_path / "skills",
        "sleepy",
        '''
        import time
        from dobby import read

        @read(says=["sleep"])
        async def sleep() -> str:
            """Sleep."""
            time.sleep(5)
            return "Slept."
        ''',
    )
    async with at_home(tmp_path / "state", skills={"folders": [str(tmp_path / "skills")]}):
        assert await ask(tmp_path / "state", "sleep", "sleep", "hello") != []
        async with Line(tmp_path / "state") as line:
            assert "sleepy" in (await line.ask("status"))["broken"]
        said = await conversation(tmp_path / "state")
    named = [text for text in said if "holds up the whole house" in text]
    assert len(named) == 1
    assert "The skill sleepy" in named[0]
    assert "skill.py" in named[0]
    assert said.count("Slept.") == 2


def test_what_a_shipped_skill_reads_of_its_table_is_what_it_says() -> None:
    skills, _ = load_skills([shipped("skills")])
    for name, skill in skills.items():
        source = "".join(path.read_text("utf-8") for path in skill.folder.glob("*.py"))
        read = set(re.findall(r'self\.settings\.get\(\s*"(\w+)"', source)) - {"zone", "place", "language"}
        known = skill.metadata.get("settings", [])
        assert read <= set(known), name
        assert {"at"} <= set(known) or not (skill.driver and any(one.via == "config" for one in skill.driver().looks_for)), name
    own = {"weather": {"time_zone": "Europe/Berlin", "at": []}, "shelly": {"at": []}, "wether": {}}
    told = misread(skills, SkillsConfig(off=("shelly",), own=own))
    assert list(told) == ["skills.wether", "skills.weather.time_zone"]
    assert told["skills.weather.time_zone"].startswith("dobby.toml: skills.weather.time_zone is not known. Known are at, ")
    assert "Did you mean 'weather'?" in told["skills.wether"]


READ = """
import sys
from pathlib import Path
from dobby.skill.load import load_skills, open_skill
skills, _ = load_skills([Path(sys.argv[1])], (), open_skill)
print(*{name.partition(".")[0] for skill in skills.values() if skill.driver for name in getattr(skill.driver(), "library", ())})
print(*sys.modules)
"""


async def test_all_skills_are_read_and_their_drivers_made_without_a_library_of_any() -> None:
    command = [sys.executable, "-c", READ, str(shipped("skills"))]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    libraries, modules = (set(line.split()) for line in done.stdout.splitlines())
    assert {"lifx", "aiomqtt", "screenlogicpy", "aiohttp"} <= libraries
    assert not modules & {*libraries, "zeroconf", "cryptography", "pydantic"}
    assert ahead([shipped("skills")]) == {"lifx"}, "one only: it is alone with the processor, and the others wait for it"


TOLD = """
from pathlib import Path

def tell(what):
    with Path(__file__).parents[1].joinpath("told").open("a") as lines:
        lines.write(f"{Path(__file__).parent.name} {what}\\n")

tell("read")

class Told(Driver):
    async def adopt(self, finding, ask, vault):
        tell("asks")
        yield LAMP

driver = Told
"""


async def test_one_that_goes_ahead_asks_before_the_others_are_read_and_whose_devices_are_known_goes_before_it(
    tmp_path: Path,
) -> None:
    for name in ("any", "first"):
        more = "metadata:\n  ahead: true\n" if name == "first" else ""
        front = f"name: {name}\ndescription: A skill for a test.\n{more}"
        write_skill(tmp_path / "skills", name, lamp_skill(name) + TOLD, front=front)
    skills = {"folders": [str(tmp_path / "skills")], "any": {"at": ["here"]}, "first": {"at": ["here"]}}
    told = tmp_path / "skills" / "told"
    async with at_home(tmp_path / "empty", skills=skills):
        assert told.read_text().splitlines()[:3] == ["first read", "first asks", "any read"]
    async with at_home(tmp_path / "known", skills=skills | {"off": [*SHIPPED, "first"]}) as dobby:
        await until(lambda: dobby.house.get("any.lamp"))
    told.unlink()
    async with at_home(tmp_path / "known", skills=skills):
        assert [line for line in told.read_text().splitlines() if "read" in line] == ["any read", "first read"]


def test_the_shipped_skills_load(tmp_path: Path) -> None:
    skills, broken = load_skills([shipped("skills")])
    assert (sorted(skills), broken) == (SHIPPED, {})
