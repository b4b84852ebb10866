"""What is written on lists and taken off them: which words are the items, and which list is meant.

A list that nobody has is never another one: it is asked whether to begin it. It does not know how a list is kept.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dobby.events import Call
from dobby.journal.pack import LIST
from dobby.mind.plain.clause import Clause, Item
from dobby.mind.plain.find import Found, replace_items
from dobby.mind.plain.index import stems
from dobby.mind.plain.mark import Mark
from dobby.mind.plain.reading import Reading
from dobby.mind.plain.speech import upper
from dobby.mind.plain.think import Draft, Thinker
from dobby.mind.plain.words import clean, fold_all
from dobby.mind.plan import Choice

LISTS = ("add", "complete", "remove", "got", "clear", "begin", "wanted", "read")
_MOST_ITEMS = 20
_MOST_WORDS = 4  # of one item that is named without a list
_NOUNS = {"list", "shopping", "todo"}
_ENDINGS = ("list", "liste", "zettel")
_TO_SHOP = frozenset(stems("shopping grocery groceries einkauf einkaufsliste einkaufszettel supermarket"))
_BOUGHT = ("battery", "salt", "water", "orp")  # attributes whose words are also goods
_SHOPPING = Item(("shopping",), "", ("shopping",))


class ListReading(Reading):
    """One stretch read as one thing that is done to a list."""

    def __init__(self, text: str, marks: Sequence[Mark], verb: str, rule: Mapping[str, Any], thinker: Thinker) -> None:
        last = tuple(word.text for word in marks[-1].words) if marks else ()
        self.ended = verb in ("clear", "begin") and last in rule["tail"]
        super().__init__(text, marks[:-1] if self.ended else marks, verb, rule, thinker)

    def draft(self) -> Draft | None:
        """What it comes to; None where it does not fit."""
        head = self.head([*self.rule["head"], *(self.rule["head_tail"] if self.ended else ())])
        if self.verb == "read":
            return self._read() if self.texts in self.rule["head"] else None
        if self.verb == "begin":
            return self._begin(head)
        if self.verb == "clear":
            return None if head is None or not self._says_list(head) else self._clear(head)
        if head is None and self.verb == "add" and self._is_only_named():
            head = 0  # "bread and butter on the shopping list"
        if head is not None:
            for at, length in sorted(self.splits(head)):
                if at > head and self._says_list(at + length):
                    return self._on(head, at, at + length)
        return self._unplaced(self.head(self.rule["bare_head"]))

    def _is_only_named(self) -> bool:
        """Nothing but things and, at the end, the list itself: no verb, no question, no no."""
        told = any(
            mark.sense("verb", "weak", "ask", "not", "if", "time", "part", "it", "all", "everything") for mark in self.marks[:-3]
        )
        return not told and any(
            "list" in sense.value or "shopping" in sense.value for sense in self.marks[-1].senses if sense.tag == "noun"
        )

    def _says_list(self, start: int) -> bool:
        """Whether the words from there on, and no conjunction among them, name a list, ours or not."""
        clause = self.clause(start)
        if clause is None or clause.acts or clause.asks:
            return self._strange(start)
        kinds = {self.thinker.index.devices[key].kind for item in clause.items for key in item.devices}
        return "list" in kinds or any(_NOUNS & set(item.nouns) for item in clause.items) or self._strange(start)

    def _strange(self, start: int) -> bool:
        words = self.texts[start:]
        return 0 < len(words) <= _MOST_WORDS and words[-1].endswith(_ENDINGS)

    def _which(self, start: int) -> Found | None:
        """The list that is named: "the list" is the shopping list where there is one."""
        found = self.place(start)
        clause = self.clause(start)
        if found and found.rivals and clause and any("list" in item.nouns for item in clause.items):
            usual = self.find(replace_items(clause, [*clause.items, _SHOPPING]))
            return usual if usual.devices else found
        if found and clause and any("shopping" in item.nouns for item in clause.items):
            return found if any(map(self._shops, (*found.devices, *found.rivals))) else None
        return found

    def _shops(self, key: str) -> bool:
        """A list to shop by, by its class or its name: what is to be bought is not put on the chores."""
        by_name = self.thinker.index.words[key] & _TO_SHOP
        return bool(by_name) or self.thinker.index.devices[key].device_class == "shopping"

    def _on(self, head: int, end: int, start: int) -> Draft:
        found, words = self._which(start), self.tailed(self.words[head:end])
        return self._unknown(start, words) if found is None else self._done_to(found, words)

    def _unplaced(self, head: int | None) -> Draft | None:
        """No list is named: the shopping list, or the only one."""
        if head is None or self.texts[head] == "to" or self.commands():
            return None
        words = self.tailed(self.words[head:])
        items = list(self._items(words))
        prepared = self.verb == "add" and self._is_talk(items)
        if prepared or not 0 < len(items) <= _MOST_ITEMS or any(len(item.split()) > _MOST_WORDS for item in items):
            return None
        lists = self.thinker.index.by_kind.get("list", [])
        if self.verb == "wanted":
            return self._wanted(lists, items)
        if self.verb != "add":
            return self._got(lists, items, words)
        found = self.find(Clause(items=[_SHOPPING]))
        if not found.devices and not found.rivals:
            found = Found(devices=tuple(lists)) if len(lists) == 1 else Found(rivals=tuple(lists))
        return self._done_to(found, words) if lists else Draft(says=[self.thinker.speech.say("no_list")])

    def _is_talk(self, items: Sequence[str]) -> bool:
        """ "We need more light here" is nothing to buy: a thing of the house, a place, a time, or no thing at all."""
        if any(mark.sense("prep", "to", "time", "if", "not", "here", "there", "house", "it", "ask") for mark in self.marks[1:]):
            return True
        things = {" ".join(w.text for w in m.words) for m in self.marks if m.names or m.sense("noun", "verb", "more", "mode")}
        for mark in self.marks:
            attr = mark.sense("attr", "color", "ct", "level", "unit", "number")
            if (attr is not None and attr.value not in _BOUGHT) or mark.number is not None:
                things |= {" ".join(word.text for word in mark.words)}
        bare = [" ".join(fold_all(item)) for item in items]
        if any(set(item.split()) <= things and len(item.split()) < 3 and item[:1].isdigit() for item in bare):
            return True
        return any(item in things or tuple(item.split()) in self.rule["generic"] for item in bare)

    def _got(self, lists: Sequence[str], items: Sequence[str], words: Sequence[Any]) -> Draft | None:
        """ "We got the milk" is meant for a list that milk is on; else it is talk."""
        holding = [key for key in lists if any(self._held(key, item) for item in items)]
        found = Found(devices=(holding[0],)) if len(holding) == 1 else Found(rivals=tuple(holding))
        return self._done_to(found, words) if holding else None

    def _wanted(self, lists: Sequence[str], items: Sequence[str]) -> Draft:
        """Whether something is on a list, by what the lists say."""
        speech, devices = self.thinker.speech, self.thinker.index.devices
        holding = [key for key in lists if any(self._held(key, item) for item in items) and self._told(key)]
        names = speech.names(devices[key].name for key in holding or lists)
        facts = {"what": speech.names(items), "name": names}
        return Draft(says=[speech.say("on_list" if holding else "not_listed", **facts)], topic=holding)

    def _told(self, device: str) -> bool:
        return isinstance(self.thinker.index.house.state.of(device).get("items"), list)

    def _read(self) -> Draft:
        """ "What do we need?" """
        shopping = self.find(Clause(items=[_SHOPPING]))
        clause = Clause(asks="what", items=[_SHOPPING] if shopping.devices else [Item(("list",), "list", ("list",), many=True)])
        plan = self.thinker.teller.answer(clause)
        return Draft(says=[plan.say], topic=list(plan.topic)) if plan else Draft(says=[self.thinker.speech.say("no_list")])

    def _done_to(self, found: Found, words: Sequence[Any]) -> Draft:
        draft, speech = Draft(), self.thinker.speech
        keys = found.devices or found.rivals
        if self.verb == "wanted":
            return self._wanted(keys, list(self._items(words)))
        if self.verb != "add":
            keys = tuple(key for key in keys if self.calls(key, words)) or keys[:1]
        if len(keys) > 1:
            self.ask(keys, words, draft)
            return draft
        draft.calls, draft.topic = self.calls(keys[0], words), list(keys)
        missing = [item for item in self._items(words) if self.verb != "add" and not self._held(keys[0], item)]
        if missing:
            name = self.thinker.index.devices[keys[0]].name
            draft.says = [speech.say("not_on_list", what=speech.names(map(upper, missing)), name=name)]
        elif not draft.calls:
            draft.says = [speech.say("what_to_add")]
        return draft

    def calls(self, device: str, words: Sequence[Any]) -> list[Call]:
        """One call for each item, by the name that the list has for it."""
        verb = "complete" if self.verb == "got" else self.verb
        items = self._items(words)
        named = items if verb == "add" else filter(None, (self._held(device, item) for item in items))
        return [Call("do", device, {"verb": verb, "item": item}) for item in named]

    def _items(self, words: Sequence[Any]) -> Iterator[str]:
        joins = {word for mark in self.marks if mark.stop or mark.sense("join") for word in mark.words}
        articles = {word for mark in self.marks if mark.sense("art", "noise") and not mark.names for word in mark.words}
        group: list[Any] = []
        for word in (*words, None):
            if word is not None and word not in joins:
                group += [word] if group or word not in articles else []
            elif group:
                yield clean(self.raw(group))[:200]
                group = []

    def _held(self, device: str, item: str) -> str:
        """The item as the list calls it; "" where it is not on it. A list that does not tell takes it as it is said."""
        items = self.thinker.index.house.state.of(device).get("items")
        if not isinstance(items, list):
            return item
        wanted = stems(item)
        same = [str(one) for one in items if stems(str(one)) == wanted]
        near = [str(one) for one in items if wanted and set(wanted) <= set(stems(str(one)))]
        return same[0] if same else near[0] if len(near) == 1 else ""

    def _unknown(self, start: int, words: Sequence[Any]) -> Draft:
        """No such list: offer to begin it."""
        speech, name = self.thinker.speech, self._name(start)
        near = speech.names(self.thinker.index.devices[key].name for key in self.thinker.index.by_kind.get("list", ()))
        if self.verb != "add" or not name:
            return Draft(says=[speech.say("unknown_list", name=name, near=near)])
        call = self._new(name, list(self._items(words)))
        choices = [Choice(speech.say("yes_word"), (call,)), Choice(speech.say("no_word"), ())]
        return Draft(question=speech.say("begin_list", name=name, near=near), choices=choices)

    def _new(self, name: str, items: list[str]) -> Call:
        said = f"{name}: {self.thinker.speech.names(items)}" if items else name
        return Call(LIST, "", {"name": name, "items": list(items), "said": said, "to": "begun"})

    def _name(self, start: int) -> str:
        skip = {word for mark in self.marks if mark.sense("art", "noise", "prep") and not mark.names for word in mark.words}
        return " ".join(upper(word.raw) for word in self.words[start:] if word not in skip)[:60]

    def _begin(self, head: int | None) -> Draft | None:
        """ "Start a packing list"."""
        if head is None or not self._says_list(head):
            return None
        found = self._which(head)
        if found is not None and found.devices:
            name = self.thinker.index.devices[found.devices[0]].name
            return Draft(says=[self.thinker.speech.say("list_is_there", name=name)])
        return Draft(calls=[self._new(self._name(head), [])])

    def _clear(self, head: int) -> Draft:
        found = self._which(head)
        if found is None:
            return self._unknown(head, ())
        draft, devices = Draft(topic=list(found.devices)), self.thinker.index.devices
        options = {key: self._emptied(key) for key in found.devices or found.rivals}
        if len(options) > 1:
            draft.choices = [Choice(devices[key].name, tuple(calls)) for key, calls in options.items() if calls]
            names = (choice.label for choice in draft.choices)
            draft.question = self.thinker.speech.say("which", names=self.thinker.speech.names(names, 8, "or"))
        draft.calls = next(iter(options.values())) if len(options) == 1 else []
        if not draft.calls and not draft.choices:
            draft.says = [self.thinker.speech.say("list_empty", name=devices[next(iter(options))].name)]
        return draft

    def _emptied(self, device: str) -> list[Call]:
        items = self.thinker.index.house.state.of(device).get("items")
        rows = items if isinstance(items, list) else []
        return [Call("do", device, {"verb": "remove", "item": str(item)}) for item in rows]
