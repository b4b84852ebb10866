"""A text as marks: which stretches of it are phrases of the language, names of the house, numbers, or nothing known.

The cheapest cover wins: few marks, no word left over. Misspelt words are mended first where only one mending is near.
It does not know what the marks come to together (`clause`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from rapidfuzz import process
from rapidfuzz.distance import OSA

from dobby.mind.plain.index import Index
from dobby.mind.plain.lexicon import LANGUAGES, Lexicon, Sense, lexicon
from dobby.mind.plain.words import Word, stem

MOST_WORDS = 90
_UNKNOWN = 4.0
_PARTIAL = 1.3
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_LINKS = ("", "s", "n", "en", "es")
OPERATIVE = frozenset({"verb", "weak", "part", "not", "all", "everything", "time", "ask", "if", "except", "it", "house"})
FUNCTION = (OPERATIVE - {"everything", "time", "house"}) | {"art", "prep", "noise", "to", "join", "or", "other", "here"}


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch of words and all it may mean."""

    words: tuple[Word, ...]
    senses: tuple[Sense, ...] = ()
    devices: frozenset[str] = frozenset()
    rooms: tuple[str, ...] = ()
    floor: tuple[str, ...] = ()
    partial: bool = False
    tail: tuple[Sense, ...] = ()
    number: float | None = None
    plural: bool = False  # more of what is called so: `nightstands`
    stop: bool = False
    cost: float = 1.0

    def sense(self, *tags: str) -> Sense | None:
        """The first sense with one of these tags."""
        return next((sense for sense in self.senses if sense.tag in tags), None)

    @property
    def unknown(self) -> bool:
        """Nobody knows this word."""
        named = self.devices or self.rooms or self.floor or self.partial
        return not (
            named or self.stop or self.number is not None or any(sense.tag not in ("known", "place") for sense in self.senses)
        )

    @property
    def names(self) -> bool:
        """It is (part of) the name of a device or a place."""
        return bool(self.devices or self.rooms or self.floor or self.partial)

    @property
    def text(self) -> str:
        """The words as folded."""
        return " ".join(word.text for word in self.words)


class Marker:
    """Marks texts with the words of one lexicon and the names of one index."""

    def __init__(self, words: Lexicon, index: Index) -> None:
        self.lexicon, self.index = words, index
        self._names = sorted(word for word in index.vocabulary if len(word) > 2)
        self._words = sorted(word for word in words.vocabulary if len(word) > 2)

    def mark(self, words: Sequence[Word], names_first: bool = True, guess: bool = True) -> list[Mark]:
        """The best cover of these words; without `guess`, misspelt ones are left alone."""
        words = [replace(word, text="iam") if word.raw.lower() in ("i'm", "i’m") else word for word in words]  # no German "im"
        words = list(self._mended(words[:MOST_WORDS], guess))
        best: list[tuple[float, list[Mark]]] = [(0.0, [])]
        for end in range(1, len(words) + 1):
            options = (
                (best[start][0] + mark.cost, best[start][1], mark)
                for start in range(max(0, end - 8), end)
                if (mark := self._span(words, start, end, names_first))
            )
            cost, before, mark = min(options, key=lambda option: option[0])
            best.append((cost, [*before, mark]))
        return list(self._apart(best[-1][1]))

    def _apart(self, marks: list[Mark]) -> Iterator[Mark]:
        """`turn the cabin switch on` has a switch in it, `make the light blue` a light: phrases that took a noun give it back."""
        for at, mark in enumerate(marks):
            noun = next((s for s in self.lexicon.senses.get((mark.words[0].text,), ()) if s.tag == "noun"), None)
            if noun is None or mark.names or len(mark.words) != 2 or not mark.sense("verb", "color"):
                yield mark
                continue
            before = list(takewhile(lambda one: not (one.stop or one.sense("join")), reversed(marks[:at])))
            moved = mark.sense("verb") and any(one.sense("weak") for one in before)
            bare = mark.sense("color") and not any(one.devices or one.partial or one.sense("noun", "it") for one in before)
            if moved or bare:
                yield from (Mark((word,), tuple(self.lexicon.senses.get((word.text,), ()))) for word in mark.words)
            else:
                yield mark

    def _span(self, words: list[Word], start: int, end: int, names_first: bool) -> Mark | None:
        span = tuple(words[start:end])
        first = span[0].text
        length = end - start
        senses: list[Sense] = []
        if length <= self.lexicon.reach.get(first, 0):
            senses = self.lexicon.senses.get(tuple(word.text for word in span), [])
        mark = self._named(span, tuple(senses), names_first) if length <= self.index.reach.get(stem(first), 0) else None
        if mark or senses:
            mark = mark or Mark(span, tuple(senses))
            if length == 1 and not mark.names:
                mark = replace(mark, partial=stem(first) in self.index.stems and not mark.sense(*FUNCTION))
            return replace(mark, cost=_UNKNOWN) if mark.unknown else mark
        return self._single(span[0]) if length == 1 else None

    def _single(self, word: Word) -> Mark:
        if word.is_stop:
            return Mark((word,), stop=True)
        if word.number is not None:
            return Mark((word,), number=word.number, partial=word.text in self.index.stems)
        if ":" in word.text:
            return Mark((word,), (Sense("time", ""),))
        if stem(word.text) in self.index.stems:
            return Mark(
                (word,), partial=True, cost=_PARTIAL, plural=word.text not in self.index.vocabulary and word.text[-1] in "sn"
            )
        return Mark((word,), cost=_UNKNOWN)

    def _named(self, span: tuple[Word, ...], senses: tuple[Sense, ...], names_first: bool) -> Mark | None:
        key = tuple(stem(word.text) for word in span)
        devices = frozenset(self.index.names.get(key, ()))
        if len(span) > 1 and tuple(word.text for word in span) not in self.index.written and self._many(span[-1]):
            devices = frozenset()  # "kitchen lights" is not the one device called "Kitchen Light"
        rooms = tuple(room.name for room in self.index.rooms.get(key, ()))
        floor = tuple(room for name in self.index.floors.get(key, ()) for room in self.index.on_floor(name))
        if len(span) == 1 and any(sense.tag in FUNCTION and sense.tag != "verb" for sense in senses):
            return None
        if not (devices or rooms or floor) or (not names_first and any(self._operative(word) for word in span)):
            return None
        number = span[0].number if len(span) == 1 else None
        tail = tuple(s for s in self.lexicon.senses.get((span[-1].text,), ()) if s.tag == "noun") if not senses else ()
        return Mark(span, senses, devices, rooms, floor, tail=tail, number=number, cost=1.05 - 0.05 * len(span))

    def _many(self, word: Word) -> bool:
        return any(sense.tag == "noun" and sense.many for sense in self.lexicon.senses.get((word.text,), ()))

    def _operative(self, word: Word) -> bool:
        return any(sense.tag in OPERATIVE for sense in self.lexicon.senses.get((word.text,), ()))

    def doubtful(self, marks: Sequence[Mark]) -> bool:
        """A name was read where its words could also be a command: worth a second reading."""
        return any(mark.devices and any(self._operative(word) for word in mark.words) for mark in marks)

    def _mended(self, words: Sequence[Word], guess: bool) -> Iterator[Word]:
        skip = False
        for at, word in enumerate(words):
            if skip:
                skip = False
                continue
            following = words[at + 1] if at + 1 < len(words) else None
            if following and not following.is_stop and self._joins(word, following):
                yield replace(word, text=word.text + following.text, end=following.end)
                skip = True
            elif self._is_word(word.text) or word.is_stop or not word.text.isalpha():
                yield word
            else:
                yield from self._mend(word, guess)

    def _is_word(self, text: str) -> bool:
        return text in self.lexicon.vocabulary or stem(text) in self.index.stems

    def _joins(self, word: Word, following: Word) -> bool:
        apart = (self._is_word(word.text) and self._is_word(following.text)) or not (word.text + following.text).isalpha()
        return not apart and len(word.text + following.text) > 4 and self._is_word(word.text + following.text)

    def _mend(self, word: Word, guess: bool) -> Iterator[Word]:
        near = self._begun(word.text) or (self._nearest(word.text) if guess else "")
        slip = len(word.text) > 6 and near in self.index.vocabulary and OSA.distance(word.text, near) == 1
        parts = None if slip else self._split(word.text)  # "Gästeimmer" is no guest for ever
        if parts:
            yield from (replace(word, text=part) for part in parts)
            return
        yield replace(word, text=near) if near else word

    def _begun(self, text: str) -> str:
        """The one name a word begins, the rest being a word too: `kaffee` for the Kaffeemaschine."""
        longer = (
            [name for name in self._names if name.startswith(text) and self._is_word(name[len(text) :])] if len(text) > 4 else []
        )
        return longer[0] if len(longer) == 1 else ""

    def _split(self, text: str) -> tuple[str, str] | None:
        """`livingroom` -> living, room; `kuechenlicht` -> kueche, licht."""
        for at in range(len(text) - 3, 2, -1):
            head, tail = text[:at], text[at:]
            if not self._is_word(tail):
                continue
            for link in _LINKS:
                base = head.removesuffix(link)
                if len(base) > 2 and head.endswith(link) and self._is_word(base):
                    return base, tail
        return None

    def _nearest(self, text: str) -> str:
        """The one word it is a slip of: names may be further off than words that make things happen."""
        if not 4 <= len(text) <= 30 or any(text in lexicon(language).vocabulary for language in LANGUAGES):
            return ""
        for choices, furthest in ((self._names, 2 if len(text) > 7 else 1), (self._words, 1)):
            found = process.extract(text, choices, scorer=OSA.distance, score_cutoff=furthest, limit=4)
            fits = _other if choices is self._names else _slip
            found = [row for row in found if fits(text, row[0])]
            near = [choice for choice, distance, _ in found if distance == found[0][1] and {choice[0], choice[1]} & {text[0]}]
            near = (
                near if len({stem(choice) for choice in near}) == 1 else [c for c in near if (c[0], c[-1]) == (text[0], text[-1])]
            )
            near = [choice for choice in near if sorted(choice) == sorted(text)] or near  # letters swapped: the likeliest slip
            if len({stem(choice) for choice in near}) == 1:
                return near[0]
        return ""


def _other(text: str, word: str) -> bool:
    """Two letters exchanged for others make another word: a ballroom is no bathroom."""
    return len(text) != len(word) or sorted(text) == sorted(word) or sum(a != b for a, b in zip(text, word, strict=True)) < 2


def _slip(text: str, word: str) -> bool:
    """Letters swapped, doubled, left out, or the key beside; another letter makes another word (`sweet` is not `sweep`)."""
    if sorted(text) == sorted(word) or len(text) != len(word):
        return sorted(text) == sorted(word) or len(text) > 4
    wrong = [(a, b) for a, b in zip(text, word, strict=True) if a != b]
    return len(text) > 4 and len(wrong) == 1 and _beside(*wrong[0])


def _beside(one: str, other: str) -> bool:
    """Keys that a thumb takes for each other."""
    places = [(row, keys.find(letter)) for letter in (one, other) for row, keys in enumerate(_KEYS) if letter in keys]
    return len(places) == 2 and all(abs(a - b) <= 1 for a, b in zip(*places, strict=True))
