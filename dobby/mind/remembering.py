"""What people tell Dobby to keep, ask him about it, and want forgotten: sentences become facts, questions become looks.

Rules for plain statements only; what no rule fits is kept word for word all the same. It does not know what is kept.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

from dobby.events import Call, Role, Value
from dobby.journal.pack import REMEMBER, call_dict
from dobby.memory.answers import Recall
from dobby.mind.plain.index import Index, stems
from dobby.mind.plain.lexicon import LANGUAGES, read_yaml
from dobby.mind.plain.speech import Speech, phrases
from dobby.mind.plain.taught import folded
from dobby.mind.plain.when import Line
from dobby.mind.plan import Context, Order, Plan

_MOST_SUBJECT = 6  # words that somebody or something is called by
LOOKS = ("last", "forget", "why", "keep", "share", "said", "know")  # in this order
NIGHT = "22:00-06:00"  # where no hours are named
_OWN = re.compile(r"['’]?s$")


@cache
def table(language: str) -> Mapping[str, Any]:
    """The patterns of one language, its days filled in; a space in a pattern may be a comma too."""
    data = read_yaml(f"{language}/memory.yaml")
    weekday = data["weekday"].replace("{weekday}", f"(?:{'|'.join(data['weekdays'])})")
    day = "|".join([*data["days"], weekday])
    data |= {name: [one.replace("{hours}", f"(?:{data['hours']})") for one in data[name]] for name in ("never", "quiet")}
    return {name: _filled(value, day) if isinstance(value, list) else value for name, value in data.items()}


def _filled(value: Any, day: str) -> Any:
    """Lists of patterns, and those of rules, made ready."""
    if isinstance(value, list):
        return [_filled(one, day) for one in value]
    if isinstance(value, str):
        return re.compile(value.replace("{day}", f"(?:{day})"))
    return value | {"pattern": _filled(value["pattern"], day)} if "pattern" in value else value


class Remembering:
    """Reads one person's words to the memory in one language."""

    def __init__(self, context: Context, speech: Speech, now: Callable[[str], Plan], index: Index) -> None:
        """`now` is what other words come to, `index` the house's names."""
        self.context, self.speech, self.table = context, speech, table(speech.language)
        self.now, self.index = now, index

    def plan(self, text: str) -> Plan | None:
        """What a text comes to that can mean nothing else; None where it may."""
        if self.context.role is Role.UNKNOWN:
            return None
        line, asks = Line(text.strip().rstrip("?!. ")), text.rstrip().endswith("?")
        what, private, shared = self._whose(text)
        bare = Line(what)
        if not asks and (found := self._match("remember", bare)):
            return self._keep(text, bare.raw(*found.span("what")), private, shared)
        for kind in ("never", "quiet"):
            if not asks and (found := self._match(kind, bare)):
                return self._wish(text, bare, found)
        for kind in LOOKS:
            if found := self._match(kind, line):
                return self._look(kind, line, found)
        return None if asks else self._stated(text, "early")

    def late(self, text: str) -> Plan | None:
        """What a text comes to that nothing else made sense of."""
        if self.context.role is Role.UNKNOWN:
            return None
        line, asks = Line(text.strip().rstrip("?!. ")), text.rstrip().endswith("?")
        if found := self._match("when", line):
            return self._hint("when", self._about(line, found))
        if self._match("wrong", line):
            return self._hint("wrong", "")
        if asks:
            return None
        if found := self._match("forget_late", line):
            return self._look("forget", line, found)
        what, private, shared = self._whose(text)
        told = self._match("remember_late", Line(what))
        return self._keep(text, what, private, shared) if told or private else self._stated(text, "")

    def stated(self, text: str) -> Plan | None:
        """A plain statement about what the house does not know."""
        asks = text.rstrip().endswith("?") or self.context.role is Role.UNKNOWN
        return None if asks else self._stated(text, "")

    def asked(self, text: str) -> Plan | None:
        """Any question that nobody followed: the memory may know, a model may too."""
        asks = text.rstrip().endswith("?") or re.fullmatch(self.table["ask"], Line(text.strip().rstrip("?!. ")).line)
        return self._hint("ask", text.strip()) if asks and self.context.role is not Role.UNKNOWN else None

    def what(self, text: str) -> Plan | None:
        """What or where something is: the house has answered, but people may have said what they call so."""
        line = Line(text.strip().rstrip("?!. "))
        found = self._match("what", line) if self.context.role is not Role.UNKNOWN else None
        return self._hint("what", line.raw(*found.span("about"))) if found else None

    def _hint(self, kind: str, about: str) -> Plan:
        return Plan(recall=Recall(kind, about))

    def _match(self, kind: str, line: Line) -> "re.Match[str] | None":
        bare = line.line
        found = next((match for pattern in self.table[kind] if (match := re.fullmatch(pattern, bare))), None)
        phrase = folded(found.groupdict().get("about") or "") if found and kind.startswith("forget") else ""
        return None if phrase in dict(self.context.taught) or phrase in dict(self.context.scenes) else found

    # Keeping

    def _keep(self, text: str, what: str, private: bool, shared: bool) -> Plan:
        return self._kept(text, list(self._facts(what, ("early", "", "told"))), private, shared, Line(what).line)

    def _stated(self, text: str, how: str) -> Plan | None:
        """A plain statement that nobody asked to be kept."""
        what, private, shared = self._whose(text.strip())
        facts = [] if not how and "," in what else list(self._facts(what, (how,)))  # after a comma something is wanted
        return self._kept(text, facts, private, shared, Line(what).line) if facts else None

    def _kept(self, text: str, facts: list[tuple[list[Value], bool]], private: bool, shared: bool, line: str) -> Plan:
        own = any(row[0] == self.context.person and not public for row, public in facts)
        own = own or (not facts and re.search(rf"(?<![a-z])(?:{self.table['me']})(?![a-z])", line) is not None)
        own = (private or own or self.context.role is Role.GUEST) and not shared
        rows: list[Value] = [row for row, _ in facts]
        return Plan(
            calls=(Call(REMEMBER, "", {"text": text.strip(), "facts": rows, "private": own}),), language=self.speech.language
        )

    def _whose(self, text: str) -> tuple[str, bool, bool]:
        """The words without what says whom they are for."""
        line = Line(text.strip().rstrip("!. "))
        for name in ("private", "shared"):
            found = re.search(rf"(?:[,:;] )?(?<![a-z])(?:{self.table[name]})(?![a-z])(?: [,:;])?", line.line)
            if found:
                rest = line.without(*found.span()).text
                return " ".join(rest.split()).strip(" ,:;."), name == "private", name == "shared"
        return line.text, False, False

    def _facts(self, text: str, hows: tuple[str, ...]) -> Iterator[tuple[list[Value], bool]]:
        """The fact that a statement says, as `[who, what, value, since]`, and whether it is for the house."""
        line = Line(text)
        if lead := re.match(rf"(?:{self.table['lead']}) ", line.line):
            line = line.without(*lead.span())
        for rule in self.table["facts"]:
            how = "early" if rule.get("early") and not rule.get("told") else "told" if rule.get("told") else ""
            found = re.fullmatch(rule["pattern"], line.line) if how in hows else None
            who = self._subject(line, found) if found else ""
            if found and who:
                at = self._day(found["day"]) if "day" in found.groupdict() and found["day"] else 0
                value = line.raw(*found.span("value")).strip(" \"'“”„‘’") if found["value"] else ""
                yield [who, rule["what"], value, at], bool(rule.get("shared"))
                return

    def _subject(self, line: Line, found: "re.Match[str]") -> str:
        """Whom or what it is about: the speaker's id, or as written; "" where that names nothing."""
        said = found["who"].strip(" ,:")
        if re.fullmatch(self.table["me"], said):
            return self.context.person
        if not said or len(said.split()) > _MOST_SUBJECT or re.fullmatch(self.table["no_subject"], said) or "," in said:
            return ""
        raw = line.raw(*found.span("who")).strip(" ,:\"'“”„")
        return _OWN.sub("", raw) if raw.casefold() != said and _OWN.search(raw) and not said.endswith("s") else raw

    def _day(self, said: str) -> float:
        """The day that is named, as an instant: now, or noon of that day."""
        now = self.context.now
        back = next((days for pattern, days in self.table["days"].items() if re.fullmatch(pattern, said)), None)
        if back is None:
            weekday = next(at for at, name in enumerate(self.table["weekdays"]) if re.search(name, said))
            back = (now.weekday() - weekday) % 7 or 7
        return now.timestamp() if not back else (now - timedelta(days=back)).replace(hour=12, minute=0).timestamp()

    def _wish(self, text: str, line: Line, found: "re.Match[str]") -> Plan:
        """A standing wish: as calls that are never to be made, or as a room to be quiet in; empty where it is neither."""
        parts, wish = found.groupdict(), dict[str, Value]()
        hours = self._hours(parts.get("hours") or "")
        if "room" in parts:
            rooms = self.index.rooms.get(stems(parts["room"]), [])
            room = rooms[0].name if len(rooms) == 1 else ""
            wish = {"room": room, "hours": hours} if room and hours else {}
        elif not parts["condition"] or re.fullmatch(self.table["away"], parts["condition"]):
            plan = self.now(f"{line.raw(*found.span('act'))} {parts.get('part') or ''}")
            calls: list[Value] = [call_dict(call) for call in plan.calls] if plan.understood and not plan.choices else []
            wish = {"calls": calls, "hours": hours, "nobody": bool(parts["condition"])} if calls else {}
        guest = self.context.role is Role.GUEST
        args: dict[str, Value] = {"text": text.strip(), "facts": [], "private": guest, "wish": wish}
        return Plan(calls=(Call(REMEMBER, "", args),), language=self.speech.language)

    def _hours(self, said: str) -> str:
        """ "22:00-07:00"; "" for always."""
        if re.fullmatch(self.table["night"], said):
            return NIGHT
        found = re.findall(r"(\d{1,2})(?::(\d\d))?(?: ?(am|pm))?", said)
        at = [
            f"{int(hour) % 12 + 12 * (half == 'pm') if half else int(hour) % 24:02}:{minute or '00'}"
            for hour, minute, half in found
        ]
        after = said and re.match(self.table["after"], said)
        return "" if not at else "-".join(at[:2]) if len(at) > 1 else f"{at[0]}-05:00" if after else f"05:00-{at[0]}"

    # Looking

    def _look(self, kind: str, line: Line, found: "re.Match[str]") -> Plan:
        parts = found.groupdict()
        about = self._about(line, found)
        by = parts.get("by") or ""
        by = (
            self.context.person if by and re.fullmatch(self.table["me"], by) else "" if re.fullmatch(self.table["us"], by) else by
        )
        day = self._day(parts["day"]) if parts.get("day") else 0.0
        every = kind == "forget" and re.fullmatch(self.table["all"], line.line) is not None
        looked = Recall("all" if every else kind, about, by, day)
        return Plan(order=Order.RECALL, recall=looked, language=self.speech.language)

    def _about(self, line: Line, found: "re.Match[str]") -> str:
        about = found.groupdict().get("about") or ""
        if re.fullmatch(self.table["me"], about):
            return self.context.person
        return line.raw(*found.span("about")).strip(" ,'\"“”") if about else ""


def states(text: str, language: str) -> bool:
    """Whether a text is plainly a statement."""
    return re.fullmatch(table(language)["statement"], Line(text.strip().rstrip("!. ")).line) is not None


def understood(text: str, context: Context, languages: Sequence[str], now: Callable[[str], Plan], index: Index) -> Plan:
    """What a text comes to, for the memory or for the house (`now`); where the house has no answer, the memory may have one."""
    readers = [Remembering(context, Speech(language, context.units), now, index) for language in languages]
    plan = next(filter(None, (one.plan(text) for one in readers)), None) or now(text)
    if plan.calls or plan.choices or plan.order or plan.due or plan.shown:
        return plan
    lost = not plan.understood or any(re.fullmatch(known, plan.say) for known in _lost())
    ways = (Remembering.stated, Remembering.late, Remembering.asked) if lost else (Remembering.stated, Remembering.what)
    known = next((found for read in ways for one in readers if (found := read(one, text))), None)
    if known is None or known.calls or known.order:
        return known or plan
    return replace(plan, recall=known.recall)


@cache
def _lost() -> "tuple[re.Pattern[str], ...]":
    """What is said where the house has no answer."""
    keys = ("no_history", "not_understood", "unknown_word", "none_in", "nothing_named")
    says = {str(phrases(language)["say"][key]) for language in LANGUAGES for key in keys}
    return tuple(re.compile(re.sub(r"\\{\w+\\}", ".*", re.escape(say)), re.DOTALL) for say in says)
