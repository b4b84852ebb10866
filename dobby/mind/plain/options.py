"""Values that are one device's own words: an input, a preset, an effect, a fan's mode: "switch the TV to HDMI 2".

What the device lists is matched; where it lists nothing, only an input is taken as it was written. It does not know any brand.
"""

from collections.abc import Sequence
from dataclasses import replace

from rapidfuzz import fuzz, process

from dobby.events import Call
from dobby.house.model import Device
from dobby.mind.plain.clause import Clause
from dobby.mind.plain.lexicon import meaning
from dobby.mind.plain.mark import Mark
from dobby.mind.plain.parse import clauses
from dobby.mind.plain.words import fold_all

TRAITS = ("source", "preset", "effect", "fan_mode")
_NEAR = 85  # of 100: how alike a listed word must be
_MOST_WORDS = 3


def chosen(clause: Clause, devices: Sequence[Device], text: str) -> Call | None:
    """The call for a clause whose value no language knows; None where no such device is meant or it has no such word."""
    trait = clause.attr if clause.attr in TRAITS else ""
    for device in devices:
        for name in [trait] if trait else TRAITS:
            spec = device.traits.get(name)
            if spec is None or not spec.settable:
                continue
            if spec.options:
                known = {option: _plain(option) for option in spec.options}
                found = process.extractOne(_plain(text), known, scorer=fuzz.ratio, score_cutoff=_NEAR)
                if found:
                    return Call("set", device.id, {name: found[2]})
            elif name == "source" and (trait or device.kind == "tv"):
                return Call("set", device.id, {name: text})
    return None


def _plain(text: str) -> str:
    return " ".join(fold_all(text))


def split(clause: Clause, text: str) -> tuple[Clause, str] | None:
    """What it is about, and the words of the value as written; None where the form is another one."""
    marks = clause.marks
    at = next((at for at, mark in enumerate(marks) if (to := mark.sense("to")) is not None and to.value == "to"), None)
    if at is None or at + 1 == len(marks):
        return None
    end = next(
        (end for end in range(at + 2, len(marks)) if marks[end].sense("prep") and _leads_home(marks[end + 1 :])), len(marks)
    )
    value = [mark for mark in marks[at + 1 : end] if not mark.sense("art")]
    row = clauses([*marks[:at], *marks[end:]])
    if len(row) != 1 or row[0].unknown or row[0].blocks or not 0 < len(value) <= _MOST_WORDS:
        return None
    words = text[value[0].words[0].start : value[-1].words[-1].end]
    about = row[0]
    nouns = {noun for item in about.items for noun in item.nouns}
    known = about.attr in TRAITS or about.items
    return (replace(about, attr=about.attr or ("source" if "tv" in nouns else "")), words) if known else None


def _leads_home(after: Sequence[Mark]) -> bool:
    return any(mark.names or mark.sense("noun", "here") for mark in after[:3])


def may_have(device: Device) -> bool:
    """Whether it has any trait of that sort."""
    kinds = {kind for trait in TRAITS for kind in meaning()["attrs"].get(trait, {})}
    return device.kind in kinds and any(trait in device.traits for trait in TRAITS)
