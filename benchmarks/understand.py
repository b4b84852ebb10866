"""What a sentence means: how long that takes in small and big homes, and how often it is understood, with nothing wrong done.

Texts and their truth come from `tests/mind/generate`, which knows no grammar. It measures the plain mind alone, not the rows.
"""

import asyncio
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.sheet import QUICK, Cell, Row, at_most, machine_row, rounded, run, share, spread
from dobby.mind.plain import PlainMind
from dobby.mind.plain.lexicon import lexicon, meaning
from tests.mind import ohf
from tests.mind.generate import Case, Writer
from tests.mind.homes import Home, home, renamed
from tests.mind.trial import Score, Theatre

SIZES = (30, 300, 3000)  # devices


async def measure(quick: bool) -> list[Row]:
    """The whole sheet."""
    rows, note = [machine_row()], QUICK if quick else ""
    timed = {size: await times(home(size), 200 if quick else 1000) for size in SIZES}
    for size, (spent, texts) in timed.items():
        rows += speed(size, spent, beside_hassil(home(size), texts, 40 if quick else 200), note)
    p50 = {size: share(spent, 0.5) for size, (spent, _) in timed.items()}
    grown: dict[str, Cell] = {f"{size:,} devices, ms": rounded(value) for size, value in p50.items()}
    rows.append(
        at_most(f"a sentence: {SIZES[-1]:,} against {SIZES[0]} devices", p50[SIZES[-1]] / p50[SIZES[0]], "×", 3, grown, note)
    )
    rows.append(await first(note))
    number = 300 if quick else 3000
    for size, language in ((30, "en"), (300, "en"), (453, "en"), (3000, "en"), (30, "de"), (453, "de")):
        rows += await understood(f"{size:,} devices, {language}", home(size, language), number, note)
    for language in ("en", "de"):
        rows += await understood(f"every name invented, {language}", renamed(home(300, language))[0], number, note)
    return rows + await of_others(ohf.data().parents[1])


async def of_others(shared: Path) -> list[Row]:
    """Suites that others wrote, where this machine has them in `../shared`; they are no part of the project."""
    return [*await home_assistant(shared / "data" / "intents-en"), *await assist_mini(shared / "suites")]


async def home_assistant(folder: Path) -> list[Row]:
    """Home Assistant's own English test sentences, right as `tests/mind/ohf.py` says."""
    if not (folder / "_fixtures.yaml").is_file():
        return [Row("OHF tests/en, right", None, "%", "≥ 97", note=f"not measured: no {folder}")]
    score = await ohf.score(folder)
    total, right = sum(score.total.values()), sum(score.right.values())
    short: dict[str, Cell] = {f"short: {what}": n for what, n in (score.total - score.right).most_common(5)}
    said = "; ".join(row[1] for row in score.wrong[:3])
    return [
        Row("OHF tests/en, right", rounded(100 * right / total), "%", "≥ 97", right >= 0.97 * total, {"of": total} | short),
        at_most("OHF tests/en, wrong acts", len(score.wrong), "texts", 0, note=said),
    ]


async def assist_mini(folder: Path) -> list[Row]:
    """The suite of that name by its own scorer, through `dobby try`."""
    script = folder / "score.py"
    if not script.is_file():
        return [Row("assist-mini, right", None, "%", "≥ 95", note=f"not measured: no {script}")]
    scorer = (sys.executable, str(script), str(folder / "assist-mini"), "--", sys.executable, "-m", "dobby", "try")
    child = await asyncio.create_subprocess_exec(*scorer, stdout=asyncio.subprocess.PIPE)
    told, _ = await child.communicate()
    last = re.search(r"score (\d+)/(\d+) .* wrong (\d+)", told.decode())
    if last is None:
        return [Row("assist-mini, right", None, "%", "≥ 95", False, note="the scorer gave no score")]
    right, total, wrong = map(int, last.groups())
    return [
        Row("assist-mini, right", rounded(100 * right / total), "%", "≥ 95", right >= 0.95 * total, {"of": total}),
        at_most("assist-mini, wrong acts", wrong, "texts", 0),
    ]


async def times(made: Home, number: int) -> tuple[list[float], list[str]]:
    """Milliseconds of each text, the mind being warm."""
    theatre, cases = Theatre(made), list(Writer(made, 7).cases(number))
    await theatre.play(cases[0])
    spent = [await _timed(theatre, case) for case in cases]
    return spent, [case.say for case in cases]


async def _timed(theatre: Theatre, case: Case) -> float:
    theatre.stand(case.state)
    begun = time.perf_counter()
    await theatre.plan(case.say, case)
    return (time.perf_counter() - begun) * 1000


def speed(size: int, spent: Sequence[float], peer: dict[str, Cell], note: str) -> list[Row]:
    """p50 and p95 of one size."""
    name, beside = f"a sentence, {size:,} devices", spread(spent) | peer
    return [
        at_most(f"{name}: p50", share(spent, 0.5), "ms", 8, beside, note),
        at_most(f"{name}: p95", share(spent, 0.95), "ms", 20, peer),
    ]


def beside_hassil(made: Home, texts: Sequence[str], number: int) -> dict[str, Cell]:
    """Stock hassil with Home Assistant's English intents on the same texts and names."""
    try:
        from hassil import Intents, TextSlotList, recognize_best
        from home_assistant_intents import get_intents
    except ImportError:
        return {"hassil with home-assistant-intents": "not installed"}
    intents = Intents.from_dict(get_intents("en"))
    rooms = [room["name"] for room in made["rooms"]]
    names = [(device["name"], device["id"], {"domain": device["kind"]}) for device in made["devices"]]
    lists = {
        "area": TextSlotList.from_strings(rooms, name="area"),
        "floor": TextSlotList.from_strings(sorted({room["floor"] for room in made["rooms"]}), name="floor"),
        "name": TextSlotList.from_tuples(names, name="name"),
    }
    recognize_best("turn on the lights", intents, slot_lists=lists, best_slot_name="name")
    spent = []
    for text in texts[:number]:
        begun = time.perf_counter()
        recognize_best(text, intents, slot_lists=lists, best_slot_name="name")
        spent.append((time.perf_counter() - begun) * 1000)
    return {f"stock hassil, {name}": value for name, value in spread(spent, "ms").items()}


async def first(note: str) -> Row:
    """The first sentence after a warm start, and what warming takes."""
    lexicon.cache_clear()
    meaning.cache_clear()
    theatre = Theatre(home(300))
    mind = PlainMind(theatre.house)
    begun = time.perf_counter()
    mind.warm()
    warmed = time.perf_counter()
    theatre.mind = mind
    spent = await _timed(theatre, next(Writer(home(300)).cases(1)))
    beside: dict[str, Cell] = {"warming at start, in a thread, ms": rounded((warmed - begun) * 1000)}
    return at_most("the first sentence after start, 300 devices", spent, "ms", 50, beside, note)


async def understood(name: str, made: Home, number: int, note: str) -> list[Row]:
    """Right and wrong of many cases in one home."""
    score = await Theatre(made).score(Writer(made, 7).cases(number))
    total, right = sum(score.total.values()), sum(score.right.values())
    percent = 100 * right / total
    beside = {"right": right, "of": total} | worst(score)
    return [
        Row(f"understood, {name}", rounded(percent), "%", "≥ 97", percent >= 97, beside, note),
        at_most(f"wrong actions, {name}", len(score.wrong), "texts", 0, note="; ".join(row[1] for row in score.wrong[:3])),
    ]


def worst(score: Score) -> dict[str, Cell]:
    """The three sorts with the most that fell short."""
    short = {kind: score.total[kind] - score.right[kind] for kind in score.total if score.total[kind] > score.right[kind]}
    return {f"short: {kind}": short[kind] for kind in sorted(short, key=lambda kind: -short[kind])[:3]}


if __name__ == "__main__":
    run(measure)
