"""Numbers and lengths of time as people say them, and what this skill answers, in English and German.

It does not know any player.
"""

import re

NUMBERS = {
    word: n
    for row in (
        "one two three four five six seven eight nine ten eleven twelve",
        "eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf",
    )
    for n, word in enumerate(row.split(), 1)
} | {"a": 1, "an": 1, "ein": 1, "eine": 1, "einer": 1, "fifteen": 15, "fünfzehn": 15, "twenty": 20, "zwanzig": 20}
NUMBERS |= {"thirty": 30, "dreißig": 30, "forty": 40, "vierzig": 40, "fifty": 50, "fünfzig": 50, "sixty": 60, "sechzig": 60}
HOURS = ("hour", "hours", "h", "stunde", "stunden", "std")
MINUTES = ("minute", "minutes", "min", "mins", "minuten", "")
HALVES = {"half an hour": 30, "half hour": 30, "halbe stunde": 30, "halben stunde": 30, "einer halben stunde": 30}
HALVES |= {
    "eine halbe stunde": 30,
    "a quarter of an hour": 15,
    "quarter of an hour": 15,
    "viertelstunde": 15,
    "eine viertelstunde": 15,
}
HALVES |= {"an hour and a half": 90, "one and a half hours": 90, "anderthalb stunden": 90, "eineinhalb stunden": 90}
OFF = ("off", "aus")
PLACE = re.compile(r"(.*?)\s+(?:in|on|for|im|auf)(?:\s+(?:the|der|dem))?\s+(.+)", re.IGNORECASE)
SAYS = {
    "en": {
        "queue": "In the queue of {name}: {rows}.",
        "queue_empty": "There is no queue on {name}.",
        "which": "Which one: {names}? Say in which room.",
        "no_player": "There is no player called “{room}”. There are: {names}.",
        "no_number": "“{what}” is no number of a track.",
        "no_length": "“{what}” is no length of time that I understand; say “30 minutes”.",
        "sleep_left": "{name} stops in {left} min.",
        "sleep_none": "{name} has no sleep timer running.",
        "no_queue": "{name} does not tell its queue.",
        "no_track": "{name} has no tracks to choose from.",
        "no_sleep_timer": "{name} has no sleep timer of its own. Say “turn it off in 30 minutes”.",
    },
    "de": {
        "queue": "In der Warteschlange von {name}: {rows}.",
        "queue_empty": "Auf {name} ist keine Warteschlange.",
        "which": "Was genau: {names}? Sag, in welchem Raum.",
        "no_player": "Es gibt keinen Lautsprecher namens „{room}“. Es gibt: {names}.",
        "no_number": "„{what}“ ist keine Nummer eines Titels.",
        "no_length": "„{what}“ verstehe ich nicht als Dauer; sag „30 Minuten“.",
        "sleep_left": "{name} verstummt in {left} min.",
        "sleep_none": "Auf {name} läuft kein Sleeptimer.",
        "no_queue": "{name} verrät seine Warteschlange nicht.",
        "no_track": "{name} hat keine Titel zur Auswahl.",
        "no_sleep_timer": "{name} hat keinen eigenen Sleeptimer. Sag „in 30 Minuten aus“.",
    },
}


def say(key: str, language: str, **facts: object) -> str:
    """One of this skill's sentences in a language, English where it is another."""
    return SAYS.get(language, SAYS["en"])[key].format(**facts)


def apart(text: str) -> tuple[str, str]:
    """`30 minutes in the bedroom` -> what is said, and the place, "" where none is."""
    found = PLACE.fullmatch(text.strip())
    return (found[1], found[2]) if found else (text.strip(), "")


def number(text: str) -> int | None:
    """`3` or `three`; None for anything else."""
    word = text.casefold().strip(" .#")
    return int(word) if word.isascii() and word.isdecimal() and len(word) < 6 else NUMBERS.get(word)


def minutes(text: str) -> int | None:
    """`30 minutes`, `an hour`, `1 hour 20 minutes`, `half an hour`, `eine halbe Stunde` in minutes; None for anything else."""
    words = " ".join(re.sub(r"(\d)(?=[a-z])", r"\1 ", text.casefold()).split())
    if words in HALVES:
        return HALVES[words]
    total, rest = 0, [word for word in words.split() if word not in ("and", "und")]
    while rest:
        count = number(rest.pop(0))
        unit = rest.pop(0).strip(".") if rest else ""
        if count is None or unit not in (*HOURS, *MINUTES):
            return None
        total += count * (60 if unit in HOURS else 1)
    return total or None
