"""Questions: answered, and nothing changed by them; what is asked to be done in the same breath is done beside.

It does not know the answers (`tell`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dobby.mind.plain.clause import Clause
from dobby.mind.plain.due import waits
from dobby.mind.plain.follow import follow
from dobby.mind.plan import Plan

if TYPE_CHECKING:
    from dobby.mind.plain.think import Thinker

_KNOWING = frozenset({"what", "which", "count", "where"})  # they want to know what there is, not whether something was done


def question(row: list[Clause], text: str, thinker: Thinker) -> Plan | None:
    """The answer to what is asked; None where nothing is."""
    first = row[0]
    if any(sense.value == "dont" for mark in first.marks[:1] if (sense := mark.sense("not"))):
        return None  # "don't turn anything off" asks nothing
    marked = text.rstrip().endswith("?") and not (first.verb and not first.states) and not first.weak
    if not (first.asks or marked or any(clause.asks and not clause.weak for clause in row)):
        return None
    if waits(row) or any("if" in clause.blocks for clause in row):
        return thinker.say("no_history")
    does = _beside(row)
    return _both(row, does, text, thinker) if does else _answers(row, thinker)


def _answers(row: list[Clause], thinker: Thinker) -> Plan:
    says: list[str] = []
    topic: list[str] = []
    for clause in row:
        clause.asks = clause.asks or row[0].asks
        plan = thinker.teller.answer(clause)
        if plan is None:
            return thinker.lost(" ".join(clause.unknown))
        says.append(plan.say)
        topic += plan.topic
    return Plan(say=" ".join(dict.fromkeys(says)), topic=tuple(topic), language=thinker.speech.language)


def _beside(row: list[Clause]) -> list[Clause]:
    """What is to be done: before a question, or after one that only wants to know what there is."""
    asks = [clause for clause in row if clause.asks]
    does = [clause for clause in row if not clause.asks]
    plain = all(clause.own_verb and clause.acts and (clause.weak or not clause.states) for clause in does)
    harmless = not row[0].asks or {clause.asks for clause in asks} <= _KNOWING
    return does if asks and plain and harmless else []


def _both(row: list[Clause], does: list[Clause], text: str, thinker: Thinker) -> Plan:
    answers = [] if row[0] in does else [thinker.teller.answer(clause) for clause in row if clause not in does]
    for answer in answers:
        thinker.turn_to(answer.topic if answer else ())
    plan = follow(does, thinker) or thinker.act(does, text)
    answers = answers or [thinker.teller.answer(clause) for clause in row if clause not in does]
    if None in answers or not plan.understood:
        return thinker.lost(" ".join(word for clause in row for word in clause.unknown))
    return replace(plan, say=" ".join(filter(None, [plan.say, *(answer.say for answer in answers if answer)])))
