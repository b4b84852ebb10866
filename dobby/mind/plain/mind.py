"""The plain mind: a text and its context become a plan, outcomes become words.

It reads in the person's language, then in the others, then in all of them mixed, and takes the first reading that makes sense.
It does not act, and it does not know who may do what.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache, partial

from dobby.events import Role
from dobby.house.registry import House
from dobby.mind.plain import report as reports
from dobby.mind.plain.condition import Condition
from dobby.mind.plain.due import Later
from dobby.mind.plain.free import free_plan
from dobby.mind.plain.index import Index
from dobby.mind.plain.lexicon import LANGUAGES, lexicon
from dobby.mind.plain.mark import Mark, Marker
from dobby.mind.plain.outlook import dated_plan, outlook_plan
from dobby.mind.plain.past import past_plan
from dobby.mind.plain.scenes import Scenes, scene_plan
from dobby.mind.plain.small import small_talk
from dobby.mind.plain.speech import Speech
from dobby.mind.plain.taught import Teaching, expanded, night_plan
from dobby.mind.plain.think import Thinker
from dobby.mind.plain.words import LONGEST_TEXT, clean, cut
from dobby.mind.plan import Context, Outcome, Plan
from dobby.mind.remembering import understood
from dobby.mind.sights import sights_plan
from dobby.mind.waiting import Waiting


class PlainMind:
    """Plain commands and questions for one house; `language` is the one it tries first where a person has none."""

    def __init__(self, house: House, language: str = "en") -> None:
        self.house, self.language = house, language
        self.told: Callable[[str, str], str] = lambda language, words: words  # a driver's own words, in a language
        self._index: Index | None = None
        self._markers: dict[tuple[str, ...], Marker] = {}

    def warm(self) -> None:
        """Load the languages and learn the names; blocking, for a thread at start."""
        nobody = Context("", Role.UNKNOWN, datetime.now(UTC))
        for languages in self._orders(self.language):
            self._read("warm up the kettle?", nobody, languages)
        self._plan("warm up the kettle at 7", nobody)

    async def plan(self, text: str, context: Context) -> Plan:
        """What to do or say about a text; never raises, never acts. Who may hear of some rooms alone talks to a mind that knows
        no others."""
        if context.rooms:
            house = self.house.only(context.rooms)
            last = context.last if all(house.get(call.device) for call in context.last) else ()
            talked = tuple(key for key in context.talked if house.get(key))
            context = replace(context, rooms=(), scenes=(), talked=talked, last=last, was=context.was if last else ())
            return await PlainMind(house, self.language).plan(text, context)
        if self._index is None:
            await asyncio.to_thread(self.warm)
        return self._plan(text, context)

    def report(self, outcomes: Sequence[Outcome], language: str, units: str) -> str:
        """One short message that says what is true."""
        told = [replace(one, why=self.told(language, one.why)) if one.why else one for one in outcomes]
        return reports.report(told, Speech(language, units))

    def phrase(self, key: str, language: str, **facts: object) -> str:
        """One of Dobby's fixed sentences, filled in; `trouble` is a driver's own words."""
        if trouble := facts.get("trouble"):
            facts["trouble"] = self.told(language, str(trouble))
        return Speech(language).say(key, **facts)

    def index(self) -> Index:
        """The house's names as they are now."""
        if self._index is None or self._index.revision != self.house.revision:
            self._index = Index(self.house)
            self._markers = {}
        return self._index

    def _marker(self, languages: tuple[str, ...]) -> Marker:
        index = self.index()
        if languages not in self._markers:
            self._markers[languages] = Marker(lexicon(*languages), index)
        return self._markers[languages]

    def _orders(self, language: str) -> Iterator[tuple[str, ...]]:
        every = self._languages(language)
        yield from ((one,) for one in every)
        yield every

    def _languages(self, language: str) -> tuple[str, ...]:
        """The person's first, else the house's."""
        first = language if language in LANGUAGES else self.language if self.language in LANGUAGES else "en"
        return (first, *(other for other in LANGUAGES if other != first))

    def _plan(self, text: str, context: Context) -> Plan:
        text = clean(text).strip()
        if len(text) > LONGEST_TEXT:
            return Plan(say=Speech(context.language).say("too_long"), understood=False, language=context.language)
        text = expanded(text, context)
        languages, now = self._languages(context.language), partial(self._meant, context=context)
        return understood(text, context, languages, now, self.index())

    def _meant(self, text: str, context: Context) -> Plan:
        """What a text comes to for the house."""
        now = partial(self._now, context=context)
        later = [
            Later(language, Speech(language, context.units), context, self.index(), now)
            for language in self._languages(context.language)
        ]
        plan = (
            self._dated(text, context)
            or self._waited(text, context, later)
            or next(filter(None, (sights_plan(text, Thinker(self.index(), context, one.speech)) for one in later)), None)
            or next(filter(None, (one.asked(text) for one in later)), None)
        )
        plan = plan or self._beyond(text, context) or now(text)
        if plan.understood and plan.say not in _timeless():
            return plan
        found = list(filter(None, (one.acts(text) for one in later)))
        return next((one for one in found if one.understood), found[0] if found else plan)

    def _waited(self, text: str, context: Context, later: Sequence[Later]) -> Plan | None:
        """What waits until the house becomes so."""
        whole = partial(self._meant, context=context)
        for one in later:
            thinker = Thinker(self.index(), context, one.speech)
            condition = Condition(partial(_marked, self._marker((one.language,))), thinker, self._now)
            plan = Waiting(condition, one, whole).plan(text)
            if plan is not None:
                return plan
        return None

    def _dated(self, text: str, context: Context) -> Plan | None:
        """What a calendar has an entry for."""
        if "calendar" not in self.index().by_kind:
            return None
        thinkers = (Thinker(self.index(), context, Speech(one, context.units)) for one in self._languages(context.language))
        return next(filter(None, (dated_plan(text, thinker) for thinker in thinkers)), None)

    def _beyond(self, text: str, context: Context) -> Plan | None:
        """What is about more than this moment and its commands, in the person's language first."""
        for language in self._languages(context.language):
            marker, speech = self._marker((language,)), Speech(language, context.units)
            thinker = Thinker(self.index(), context, speech)
            mark = partial(_marked, marker)
            now = partial(self._now, context=context)
            plan = Teaching(mark, thinker, now).plan(text) or outlook_plan(text, thinker) or past_plan(text, mark, thinker)
            plan = plan or Scenes(mark, thinker, now).plan(text) or Condition(mark, thinker, self._now).plan(text)
            if plan is not None:
                return plan
        return None

    def _now(self, text: str, context: Context) -> Plan:
        """What a text comes to if everything in it is for now."""
        thinker = Thinker(self.index(), context, Speech(context.language, context.units))
        scene = scene_plan(text, thinker, partial(self._now, context=replace(context, scenes=())))
        if scene is not None:
            return scene
        rows: list[tuple[bool, int, int, Plan]] = []
        for at, languages in enumerate(self._orders(context.language)):
            if len(languages) > 1 and any(plan.understood for *_, plan in rows):
                break
            plan, doubt = self._read(text, context, languages, guess=not rows)
            if plan.understood and not doubt:
                return plan
            if plan.understood or len(languages) == 1:
                rows.append((not plan.understood, doubt, at, plan))
        return min(rows)[-1]  # the language that knows most of its words

    def _read(self, text: str, context: Context, languages: tuple[str, ...], guess: bool = True) -> tuple[Plan, int]:
        """What a text comes to in them, and how doubtful that is: words not known, a name and nothing to do with it."""
        speech = Speech(languages[0], context.units)
        talk = night_plan(text, self.index(), speech) or small_talk(text, languages, speech, context)
        if talk:
            return talk, 0
        marker = self._marker(languages)
        thinker = Thinker(self.index(), context, speech)
        plan: Plan | None = None
        for names_first in (True, False):
            marks = marker.mark(cut(text), names_first, guess)
            plan = free_plan(text, marks, thinker) or thinker.think(marks, text)
            if plan.understood or not marker.doubtful(marks):
                break
        assert plan is not None
        return plan, sum(mark.unknown for mark in marks) if not plan.understood else int(thinker.idle)


def _marked(marker: Marker, text: str) -> Sequence[Mark]:
    return marker.mark(cut(text))


@cache
def _timeless() -> frozenset[str]:
    """What is said where a time stood in the way."""
    return frozenset(Speech(language).say(key) for language in LANGUAGES for key in ("time_later", "no_history"))
