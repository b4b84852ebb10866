"""What there is to play in the house: whoever keeps music is a shelf, and any player asks all of them by name.

It knows names and addresses, not how anything sounds or who plays it. An asked name is never answered with something else.
"""

import asyncio
import logging
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Protocol, runtime_checkable

from dobby.errors import DeviceError, Refused

log = logging.getLogger(__name__)
PATIENCE = 4.0  # seconds a shelf has to answer
SHOWN = 5  # names in one sentence
KINDS = ("favourite", "playlist", "artist", "album", "genre", "track", "station", "mix")  # what a name rather means comes first
FILLERS = {"the", "some", "a", "an", "any", "something", "anything", "of", "by", "from", "music", "songs"}
FILLERS |= {"die", "der", "das", "etwas", "was", "von", "musik", "lieder"}
FAVOURITE = re.compile(
    r"(?:my |the |a )?favou?rites? +|(?:mein(?:e[nrs]?)? |die |den |das )?(?:favorite?n?|lieblings) *[- ]?", re.IGNORECASE
)
NAMED = re.compile(r"(?:(.+?) )?(?:(?:on|from|via|with|over|using|auf|von|bei|über|mit) )?(\w+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Piece:
    """Something that sounds, at an address a player can fetch; `seconds` 0: a live stream, or nobody knows."""

    uri: str
    title: str
    artist: str = ""
    album: str = ""
    mime: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Hit:
    """What goes by a name: `kind` is one of `KINDS`, `more` what else it may be called by (its artist, its genres).

    `pieces` anybody can play; `own` is something only the player that brought it understands (a favourite of its own);
    `told` is what plays, where that is more than what was asked for.
    """

    name: str
    kind: str
    pieces: tuple[Piece, ...] = ()
    more: str = ""
    own: Any = None
    told: str = ""

    @property
    def called(self) -> str:
        """Its name where one has to be told from others."""
        return f"{self.name} by {self.more}" if self.kind in ("track", "album") and self.more else self.name


@runtime_checkable
class Shelf(Protocol):
    """Somebody who keeps music: a media server, a list of stations.

    One away from home says so by an attribute `far`, true while it may be asked: it is asked what nobody at home has, and
    nobody else is where it is named ("… on spotify").
    """

    async def look_up(self, what: str) -> Sequence[Hit]:
        """Everything that has one of these words in its name, ready to be played; more than that does no harm."""
        ...

    async def names(self) -> Sequence[str]:
        """Some of what there is, for who asked for something that is not there."""
        ...


class Music:
    """All shelves of the house, each by the name of the skill that brings it."""

    def __init__(self, shelves: Mapping[str, Shelf] | None = None) -> None:
        self.shelves: dict[str, Shelf] = dict(shelves or {})

    async def find(self, what: str, own: Sequence[Hit] = ()) -> Hit:
        """The one thing that goes by this name, on a shelf or among a player's own; "my favourite …" is among its own.

        :raises Refused: nothing does, or several do; names the nearest.
        """
        if (of_own := FAVOURITE.match(what)) and (name := what[of_own.end() :]):
            return await Music().find(name, own)
        far = {name: shelf for name, shelf in self.shelves.items() if hasattr(shelf, "far")}
        if (named := NAMED.fullmatch(what)) and (shelf := far.get(named[2].casefold())):
            try:
                found = await shelf.look_up(named[1] or "")
            except DeviceError as error:  # not the player's
                raise Refused(str(error)) from error
            return _one(named[1] or "", (), {"": found}, ())
        near = {name: shelf for name, shelf in self.shelves.items() if name not in far}
        answers = await _asked({name: shelf.look_up(what) for name, shelf in near.items()})
        if (hit := choose(what, [*own, *_all(answers)])) is not None:
            return hit
        more = {name: shelf.look_up(what) for name, shelf in far.items() if getattr(shelf, "far", False)}
        beyond, there = await asyncio.gather(_asked(more), _asked({name: shelf.names() for name, shelf in near.items()}))
        return _one(what, [*(hit.name for hit in own), *_all(there)], beyond, [name for name in near if answers[name] is None])


def _one(what: str, names: Sequence[str], found: Mapping[str, Any], silent: Sequence[str]) -> Hit:
    if (hit := choose(what, _all(found))) is not None:
        return hit
    silent = [*silent, *(name for name, answer in found.items() if answer is None)]
    raise Refused(_nothing(what, [*names, *(hit.called for hit in _all(found))], silent))


def _all(answers: Mapping[str, Any]) -> list[Any]:
    return [row for found in answers.values() for row in found or ()]


async def _asked(questions: Mapping[str, Any]) -> dict[str, Any]:
    """Every shelf's answer, all asked at once."""
    return dict(zip(questions, await asyncio.gather(*(_answer(*each) for each in questions.items())), strict=True))


async def _answer(name: str, question: Any) -> Any:
    """A shelf's answer; None where it has none: one that is broken leaves the others alone."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await question
    except (TimeoutError, DeviceError) as error:
        log.info("The music of %s cannot be searched: %s", name, error or "no answer")
    except Exception:  # a skill's own fault
        log.exception("The music of %s cannot be searched", name)
    return None


def choose(what: str, hits: Iterable[Hit]) -> Hit | None:
    """The one meant: its whole name, or else all asked words in the name of only one; None where nothing has them.

    :raises Refused: several have.
    """
    asked = words(what)
    judged = [(-_likeness(asked, hit), KINDS.index(hit.kind), n, hit) for n, hit in enumerate(hits)]
    found = sorted((row for row in judged if row[0]), key=lambda row: row[:3])
    for _, rows in groupby(found, key=lambda row: row[:2]):
        best: dict[str, Hit] = {}
        for *_, hit in rows:
            best.setdefault(hit.called.casefold(), hit)
        if len(best) > 1:
            raise Refused(f"Several go by “{what}”: {', '.join(hit.called for hit in list(best.values())[:SHOWN])}.")
        return next(iter(best.values()))
    return None


def words(text: str) -> tuple[str, ...]:
    """A name's words: no case, accents or punctuation, and no words that mean nothing in particular."""
    bare = "".join(char for char in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(char))
    found = tuple(re.findall(r"\w+", re.sub(r"['’]", "", bare)))
    return tuple(word for word in found if word not in FILLERS) or found


def _likeness(asked: tuple[str, ...], hit: Hit) -> int:
    """3: the whole name (or name and artist); 2: all asked words are in it; 1: with what else it goes by; 0: no."""
    name, more = words(hit.name), words(hit.more)
    if asked == name or (more and hit.kind in ("track", "album") and set(asked) == {*name, *more}):
        return 3
    return 2 if set(asked) <= set(name) else int(set(asked) <= {*name, *more})


def _nothing(what: str, names: Sequence[str], silent: Sequence[str]) -> str:
    from rapidfuzz import fuzz, process, utils

    near = process.extract(
        what, list(dict.fromkeys(names)), scorer=fuzz.WRatio, processor=utils.default_process, limit=SHOWN, score_cutoff=75
    )
    some = ", ".join([row[0] for row in near] or list(dict.fromkeys(names))[:SHOWN])
    sentences = [f"There is nothing called “{what}” to play."]
    if some:
        sentences.append(f"The nearest {'is' if len(near) == 1 else 'are'}: {some}." if near else f"There are: {some}.")
    if silent:
        sentences.append(f"{' and '.join(silent)} did not answer, though.")
    return " ".join(sentences)
