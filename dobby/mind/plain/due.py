"""For later: timers, reminders, acts at another time and their end, and what people ask about those still to come.

What is to be done then is read like any other text and made absolute now. It does not keep anything: the butler does.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dobby.events import Call, Due, DueKind, Value
from dobby.mind.plain.clause import Clause
from dobby.mind.plain.index import Index
from dobby.mind.plain.speech import Speech, fill, upper
from dobby.mind.plain.when import WEEK, Clockmaker, Line, When, has, times
from dobby.mind.plan import Choice, Context, Order, Plan

_ENDS = {0: 100, 100: 0}  # a cover or a valve that is to be open for a while is shut before and after
_PARTS = ((4, "night"), (11, "morning"), (17, "afternoon"), (22, "evening"), (24, "night"))


def waits(row: Iterable[Clause]) -> bool:
    """Something is to happen at another time than now."""
    return any("time" in clause.blocks for clause in row)


@dataclass(frozen=True, slots=True)
class Later:
    """Reads one person's texts about other times, in one language; `read` is what a text comes to if it is for now."""

    language: str
    speech: Speech
    context: Context
    index: Index
    read: Callable[[str], Plan]

    def asked(self, text: str) -> Plan | None:
        """A timer, a reminder, or an order about appointments: what begins so is nothing else."""
        table, line = times(self.language), Line(text)
        bare = self._bare(line.line)
        orders = self._nudge(table["nudges"], bare) or self._order(table["orders"], bare)
        timer = orders or self._timer(text, line, bare)
        return timer or self._changed(table["orders"]["change"], text) or self._reminder(text, bare)

    def acts(self, text: str) -> Plan | None:
        """What is to be done at another time, or for a while; None where no time is in it."""
        when = Clockmaker(self.language, self.context).read(text)
        if when is None or not when.rest.strip(" ,.!?"):
            return None
        if when.bare and not re.search(r"\d", when.rest) and has(times(self.language)["value_verbs"], Line(when.rest).line):
            return None  # "set it at 21", "dim to 10": a value, not an hour
        plan = self.read(" ".join(when.rest.split()))
        if plan.shown is not None:
            return self._say("scene_first", scene=plan.shown.args["phrase"])
        plan = replace(plan, scene="", say="") if plan.scene else plan
        if plan.order or not (plan.calls or plan.choices):
            return self._say("later_question") if plan.topic else self._say("time_unclear") if plan.order else plan
        if when.vague or when.problem:
            return self._say(when.problem or "when_hour")
        if not when.leads and self._many(when):
            return self._say("later_which")
        return self._planned(plan, when)

    def _say(self, key: str, **facts: object) -> Plan:
        return Plan(say=self.speech.say(key, **facts), language=self.speech.language)

    def _bare(self, line: str) -> str:
        """Without courtesy around it."""
        polite = times(self.language)["courtesy"]
        line = re.sub(rf"^(?:(?:{polite}|[,.!])(?: |$))+", "", line)
        return re.sub(rf"(?:(?:^| )(?:{polite}|[,.!?]))+$", "", line)

    def _many(self, when: When) -> bool:
        """Several things joined, and the time after the last: it may be meant for all of them or for that one."""
        parts = re.split(rf"(?<!\w)(?:{times(self.language)['joins']})(?!\w)", when.rest, flags=re.IGNORECASE)
        return len(parts) > 1 and len(self.read(parts[-1]).calls) > 0

    # Acts

    def _planned(self, plan: Plan, when: When) -> Plan:
        if plan.choices and (when.every or when.ends or when.lasts):
            return replace(plan, say=f"{plan.say} {self.speech.say('say_again')}", choices=())
        if plan.choices:
            return replace(plan, choices=tuple(self._chosen(one, when) for one in plan.choices))
        if not (when.ends or when.lasts):
            return replace(plan, calls=(), due=(self._due(plan.calls, when),))
        if when.every:
            return self._say("time_unclear")
        back = [one for call in plan.calls if (one := self._back(call)) is not None]
        if len(back) < len(plan.calls):
            return self._say("no_back")
        start = when.at or self.context.now.timestamp()
        end = when.ends or start + when.lasts
        if end <= start:
            return self._say("time_unclear")
        until = When(at=end, after=when.lasts if not when.at else 0.0)
        ending = replace(self._due(back, until), policy="late")
        first = () if not when.at else (self._due(plan.calls, when),)
        return replace(plan, calls=() if first else plan.calls, due=(*first, ending))

    def _chosen(self, choice: Choice, when: When) -> Choice:
        return replace(choice, calls=Plan(due=(self._due(choice.calls, when),)).keeps()) if choice.calls else choice

    def _due(self, calls: Sequence[Call], when: When) -> Due:
        what = ", ".join(dict.fromkeys(self.told(call) for call in calls))
        kind = DueKind.ROUTINE if when.every else DueKind.ONCE
        said, name = f"{self._when(when)}: {what}.", self._name(when)
        return Due(kind, when.at, tuple(calls), name=name, after=when.after, every=when.every, sun=when.sun, said=said)

    def told(self, call: Call) -> str:
        """What a call will do, in a few words."""
        device = self.index.devices[call.device]
        if call.tool == "set":
            return f"{device.name} {', '.join(self.speech.state(device, trait, to) for trait, to in call.args.items())}"
        verb, table = str(call.args.get("verb")), self.speech.table["did"]
        what = call.args.get("what") or call.args.get("item") or call.args.get("text") or ""
        named = "play_none" if verb == "play" and not what else verb
        return fill(table.get(named) or table["any"], {"names": device.name, "what": what}).rstrip(".")

    def _back(self, call: Call) -> Call | None:
        """What ends it: as it was, and where it was so already, the opposite; None where nobody can tell."""
        was = self.index.house.state.of(call.device)
        if call.tool == "do":
            return Call("set", call.device, {"playing": "idle"}) if call.args.get("verb") == "play" else None
        back: dict[str, Value] = {}
        for trait, to in call.args.items():
            opposite: Value = not to if isinstance(to, bool) else None
            if trait == "position" and isinstance(to, int | float):
                opposite = _ENDS.get(round(to))
            back[trait] = opposite if opposite is not None and was.get(trait, to) == to else was.get(trait, opposite)
        lit = "on" in self.index.devices[call.device].traits and "on" not in back
        if lit and was.get("on") is False:
            return Call("set", call.device, {"on": False})
        return None if None in back.values() else Call("set", call.device, back)

    def _name(self, when: When) -> str:
        """A routine goes by its part of the day: "the morning routine"."""
        if not when.every or when.sun:
            return ""
        hour = datetime.fromtimestamp(when.at, self.context.now.tzinfo).hour
        return str(self.speech.table["when"][next(name for until, name in _PARTS if hour < until)])

    # In words

    def _clock(self, at: datetime) -> str:
        return at.strftime("%-I:%M %p" if self.speech.units == "us" else "%H:%M")

    def _when(self, when: When) -> str:
        """`At 19:00`, `Tomorrow at 07:30`, `In 5 minutes (19:45)`, `Every weekday at 06:30`."""
        words = self.speech.table["when"]
        if when.every:
            return self._every(when)
        at, now = datetime.fromtimestamp(when.at, self.context.now.tzinfo), self.context.now
        hour = self._clock(at)
        if when.after:
            return upper(fill(words["in"], {"span": self.span(when.after), "time": hour}))
        if at.date() == now.date():
            return upper(fill(words["at"], {"time": hour}))
        if at.date() == now.date() + timedelta(days=1):
            return upper(fill(words["tomorrow"], {"time": hour}))
        return upper(fill(words["on"], {"day": words["days"][at.weekday()], "date": at.strftime("%-d.%-m."), "time": hour}))

    def _every(self, when: When) -> str:
        words = self.speech.table["when"]
        rule = dict(part.split("=") for part in when.every.split(";"))
        days = rule.get("BYDAY", "").split(",")
        named = self.speech.names(words["days"][WEEK.index(day)] for day in days if day in WEEK)
        if rule["FREQ"] in ("HOURLY", "MINUTELY"):
            span = int(rule.get("INTERVAL", 1)) * (3600 if rule["FREQ"] == "HOURLY" else 60)
            return upper(fill(words["every_n"], {"span": self.span(span)}))
        key = {"MO,TU,WE,TH,FR": "weekday", "SA,SU": "weekend", "": "every_day"}.get(rule.get("BYDAY", ""), "every")
        each = fill(words[key], {"days": named})
        if rule["FREQ"] == "MONTHLY":
            nth, day = int(days[0][:-2]), WEEK.index(days[0][-2:])
            each = fill(words["nth"], {"nth": words["nths"][nth], "day": words["days"][day]})
        if rule["FREQ"] in ("DAILY", "WEEKLY") and "INTERVAL" in rule:
            size = 86400 if rule["FREQ"] == "DAILY" else 604800
            each = fill(words["every_n"], {"span": self.span(int(rule["INTERVAL"]) * size)})
        if when.sun:
            which, shift = re.split(r"(?=[+-]|$)", when.sun, maxsplit=1)
            facts = {"span": self.span(abs(float(shift or 0))), "sun": words[which]}
            return upper(f"{each} {fill(words['after' if shift[:1] == '+' else 'before'] if shift else words['by'], facts)}")
        hour = self._clock(datetime(2000, 1, 1, int(rule["BYHOUR"]), int(rule["BYMINUTE"])))
        return upper(fill(words["each_at"], {"each": each, "time": hour}))

    def span(self, seconds: float) -> str:
        """`1 hour 30 minutes`."""
        left, parts = round(seconds), []
        for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
            count, left = divmod(left, size)
            if count:
                parts.append(self.speech.say(f"one_{unit}" if count == 1 else f"some_{unit}s", count=count))
        return " ".join(parts)

    # Timers and reminders

    def _timer(self, text: str, line: Line, bare: str) -> Plan | None:
        table, begin = times(self.language), line.line.find(bare) if bare else 0
        for pattern in table["timer"]:
            match = re.fullmatch(pattern, bare)
            if match is None:
                continue
            seconds = Clockmaker(self.language, self.context).seconds(match["span"])
            group = next((name for name in ("name2", "name") if match.groupdict().get(name)), "")
            name = self._called(line, begin + match.start(group), begin + match.end(group)) if group else ""
            at = self.context.now + timedelta(seconds=seconds)
            facts = {"name": f"{name} " if name else "", "span": self.span(seconds), "time": self._clock(at)}
            due = Due(DueKind.TIMER, at.timestamp(), name=name, after=seconds, said=upper(self.speech.say("said_timer", **facts)))
            return Plan(due=(due,), language=self.speech.language)
        return self._say("timer_how_long") if re.match(rf"(?:{table['timer_head']})(?![a-z])", bare) else None

    def _called(self, line: Line, start: int, end: int) -> str:
        """A name as it was written; of "Nudeltimer" only its first part."""
        whole = line.line[end : end + 1] in ("", " ")
        return line.raw(start, end).strip() if whole else line.line[start:end].strip().title()

    def _reminder(self, text: str, bare: str) -> Plan | None:
        table = times(self.language)
        begins = rf"(?:(?P<wake>{table['wake']})|(?:{table['reminder']}))(?![a-z])"
        if re.search(begins, bare) is None:
            return None
        when = Clockmaker(self.language, self.context, head=True).read(text)
        head = re.match(begins, bare) or (re.match(begins, self._bare(Line(when.rest).line)) if when and when.leads else None)
        if head is None:
            return None
        if when is None:
            if head["wake"] and not re.match("wa|we", head["wake"]):
                return None  # an alarm, but no clock: the one on the wall may be meant
            return self._say("time_trigger" if has(table["trigger"], bare) else "remind_when")
        if when.problem or when.ends or when.lasts or not when.at:
            return self._say(when.problem or "time_unclear")
        if head["wake"]:
            self._early(when, bare)
        what = self.speech.say("wake_up") if head["wake"] else self._what(when.rest, head.group(), table["connect"])
        if not what:
            return self._say("remind_what")
        kind = DueKind.ROUTINE if when.every else DueKind.REMINDER
        said = self.speech.say("said_reminder", when=self._when(when), what=what)
        due = Due(kind, when.at, remind=what, name=self._name(when), after=when.after, every=when.every, sun=when.sun, said=said)
        return Plan(due=(due,), language=self.speech.language)

    def _early(self, when: When, bare: str) -> None:
        """Nobody is woken at seven in the evening who did not say so."""
        hour = datetime.fromtimestamp(when.at, self.context.now.tzinfo).hour
        said = re.search(rf"(?<!\d){hour}(?!\d)|(?<![a-z])(?:{times(self.language)['pm']})(?![a-z])", bare)
        if hour > 12 and not said and not when.after and not when.every:
            when.at += 12 * 3600

    def _what(self, rest: str, head: str, connect: str) -> str:
        """The words of a reminder, as they were written."""
        line = Line(" ".join(rest.split()))
        begin = line.line.find(head)
        tail = line.line[begin + len(head) :] if begin >= 0 else line.line
        cut = re.match(rf"(?: |{connect}(?= |$)|[.!])*", tail)
        start = len(line.line) - len(tail) + (cut.end() if cut else 0)
        return line.raw(start, len(line.line)).strip(" ,.") if start < len(line.line) else ""

    # Orders about appointments

    def _order(self, orders: dict[str, list[str]], bare: str) -> Plan | None:
        for name, patterns in orders.items():
            if name == "change":
                continue
            for pattern in patterns:
                match = re.fullmatch(pattern, bare)
                if match is not None:
                    return Plan(order=Order(name), about=self._about(match), language=self.speech.language)
        return None

    def _nudge(self, nudges: dict[str, list[str]], bare: str) -> Plan | None:
        """Later or sooner by a span."""
        found = ((match, name) for name, row in nudges.items() for one in row if (match := re.fullmatch(one, bare)))
        match, name = next(found, (None, ""))
        if match is None:
            return None
        by = Clockmaker(self.language, self.context).seconds(match["span"]) * (1 if name == "more" else -1)
        due = (Due(DueKind.ONCE, 0.0, after=by),)
        return Plan(order=Order.CHANGE, about=self._about(match), due=due, language=self.speech.language)

    def _changed(self, patterns: list[str], text: str) -> Plan | None:
        """To another time: what is left of the text without it names the appointment."""
        if not any(re.match(pattern, self._bare(Line(text).line)) for pattern in patterns):
            return None
        when = Clockmaker(self.language, self.context, head=True).read(text)
        match = next((m for p in patterns if when and (m := re.fullmatch(p, self._bare(Line(when.rest).line)))), None)
        if when is None or match is None:
            return None
        if when.problem or when.vague or not when.at:
            return self._say(when.problem or "time_unclear")
        due = replace(self._due((), when), said=self._when(when))
        return Plan(order=Order.CHANGE, about=self._about(match), due=(due,), language=self.speech.language)

    def _about(self, match: re.Match[str]) -> str:
        """Which: `*` for all, the kind, and the words of a name."""
        table, groups = times(self.language), match.groupdict()
        said = groups.get("kind") or ""
        kind = next((name for name, pattern in table["kind"].items() if said and re.fullmatch(pattern, said)), "")
        names = " ".join(groups[name] for name in ("what", "what2") if groups.get(name))
        alone = re.fullmatch(table["all"], names.strip()) is not None
        every = groups.get("all") or alone or (said.endswith(("s", "en")) and not names)
        return " ".join(filter(None, ("*" if every else "", kind, "" if alone else names.strip())))
