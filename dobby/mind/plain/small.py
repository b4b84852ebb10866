"""Small talk and orders to the butler himself: whole texts that mean one thing.

It does not know the house.
"""

import re
from functools import cache

from dobby.mind.plain.lexicon import lexicon, read_yaml
from dobby.mind.plain.speech import Speech
from dobby.mind.plain.words import cut, fold_all, listed
from dobby.mind.plan import Context, Order, Plan

SUBNET = re.compile(r"\d+(?:\.\d+){3}(?:/\d+)?")


@cache
def _whole(language: str) -> dict[tuple[str, ...], str]:
    """Whole texts and their keys, from a language's `talk.yaml`."""
    rows = read_yaml(f"{language}/talk.yaml")
    return {fold_all(phrase): key for key, text in rows.items() for phrase in listed(text)}


@cache
def _courtesy(language: str) -> frozenset[str]:
    rows = lexicon(language).senses.items()
    return frozenset(key[0] for key, senses in rows if len(key) == 1 and any(sense.tag == "noise" for sense in senses))


def small_talk(text: str, languages: tuple[str, ...], speech: Speech, context: Context) -> Plan | None:
    """A plan for a text that is an order to the butler, a greeting or thanks; None for anything else."""
    net = SUBNET.search(text)
    words = tuple(word.text for word in cut(SUBNET.sub("subnet", text)) if not word.is_stop)
    for language in languages:
        known = _whole(language)
        bare = tuple(word for word in words if word not in _courtesy(language))
        key = known.get(words) or (known.get(bare) if bare else None)
        if key:
            return _answer(key, speech, context)
    if about := next(filter(None, (_sought(words, language) for language in languages)), ""):
        where = net[0] if net else about
        return Plan(order=Order.NETWORK if about == "subnet" else Order.SEEK, about=where, language=speech.language)
    return None if words else Plan(say=speech.say("empty"), language=speech.language)


@cache
def _seek(language: str) -> tuple[dict[str, str], dict[str, str], frozenset[str], frozenset[str], frozenset[str]]:
    table = read_yaml("seek.yaml")
    find, look, beside = (frozenset(table.get(language, {}).get(key, "").split()) for key in ("find", "look", "beside"))
    return table["brands"], table["places"], find, look, beside


def _sought(words: tuple[str, ...], language: str) -> str:
    """The family of devices that somebody wants looked for; "" where the text says anything beside that."""
    brands, places, find, look, beside = _seek(language)
    said = [word for word in words if word[:1].isalnum()]
    brands = brands | places if not find.isdisjoint(said) else brands
    named = list(dict.fromkeys(brands[word] for word in said if word in brands))
    plain = all(word in brands or word in find | look | beside for word in said)
    return named[0] if plain and len(named) == 1 and not (find | look).isdisjoint(said) else ""


def _answer(key: str, speech: Speech, context: Context) -> Plan:
    if key in set(Order) and key:
        return Plan(order=Order(key), language=speech.language)
    facts = {"time": context.now.strftime("%H:%M" if speech.units != "us" else "%-I:%M %p"), "date": _date(context, speech)}
    return Plan(say=speech.say(key, **facts), language=speech.language)


def _date(context: Context, speech: Speech) -> str:
    names = speech.table.get("calendar", {})
    now = context.now
    if not names:
        return now.strftime("%A, %-d %B %Y")
    return f"{names['days'][now.weekday()]}, {now.day}. {names['months'][now.month - 1]} {now.year}"
