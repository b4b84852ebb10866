"""What clauses of one text lend each other: a verb, a thing, a place that is said only once.

It changes clauses in place. It does not know the house.
"""

from itertools import pairwise

from dobby.mind.plain.clause import Clause, Item

_PAIRS = ({"on", "off", "dim", "set"}, {"open", "close", "up", "down"})


def share(row: list[Clause]) -> None:
    """Fill in what each clause leaves unsaid from its neighbours."""
    for clause, after in reversed(list(pairwise(row))):
        if clause.items and not (clause.acts or clause.asks) and after.acts and not (after.aims or after.attr):
            after.items = clause.items  # "kitchen: on"
            row.remove(clause)
    for clause, after in reversed(list(pairwise(row))):
        if clause.lent and after.verb in ("on", "off") and not any(mark.sense("verb", "weak") for mark in after.marks):
            clause.verb = after.verb  # "turn the fans on the ground floor and the desk lamp off"
    for before, clause in pairwise(row):
        if clause.aims and not clause.acts and before.acts and not clause.asks:
            _take_over(clause, before)
    for before, clause in pairwise(row):
        if clause.verb == "set" and before.verb in ("open", "close") and not any(m.sense("verb", "weak") for m in clause.marks):
            clause.verb = before.verb  # "close the left one halfway and the right one fully"
    for clause, after in reversed(list(pairwise(row))):
        if clause.aims and not clause.acts and after.acts and not clause.asks and not after.flags & {"hard"}:
            _take_over(clause, after)
    for clause, after in reversed(list(pairwise(row))):
        if not after.own_verb or not clause.own_verb:
            _share_items(clause, after)
        elif any({clause.verb, after.verb} <= pair for pair in _PAIRS) and all(item.is_place for item in after.items):
            after.items += [item for item in clause.items if not item.is_place] if after.items else []


def _noun_of(item: Item) -> Item:
    """`lights` of `living room lights`, where that is one device's name."""
    return Item(item.stems[-1:], item.text.split()[-1], item.tail) if item.devices and item.tail else item


def _take_over(clause: Clause, other: Clause) -> None:
    clause.own_verb = False
    clause.verb, clause.weak, clause.attr = other.verb, other.weak, clause.attr or other.attr
    clause.number, clause.unit, clause.how = other.number, other.unit, other.how
    clause.direction, clause.amount, clause.values = other.direction, other.amount, dict(other.values)


def _share_items(clause: Clause, after: Clause) -> None:
    """`the kitchen and living room lights`, `the lights in the kitchen and the bedroom`, `lights and fan in the office`."""
    nouns, after_nouns = ([i for i in c.items if not i.is_place] for c in (clause, after))
    places, after_places = ([i for i in c.items if i.is_place] for c in (clause, after))
    if places and not nouns and after_nouns:
        clause.items += [_noun_of(item) for item in after_nouns]
    elif after_places and not after_nouns and nouns:
        after.items += nouns
    elif nouns and not places and any(item.after_prep for item in after_places):
        clause.soft += after_places
