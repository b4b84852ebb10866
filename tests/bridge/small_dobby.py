"""The smallest real Dobby with a page: journal, butler, hands, virtual devices, and a mind of few words.

Run as a program it serves a state folder on a port until it is killed, and prints a login link first.
"""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from dobby.act import Hands
from dobby.bridge.web import Web
from dobby.butler.desk import Desk
from dobby.butler.loop import Butler
from dobby.clock import Clock, SystemClock
from dobby.discovery.look import Look
from dobby.drawing import Drawing
from dobby.events import Call, Role
from dobby.house import load
from dobby.house.virtual import Virtual
from dobby.journal import open_journal
from dobby.mind.plain.speech import Speech
from dobby.mind.plan import Choice, Context, Order, Outcome, Plan
from dobby.people import People, Person
from dobby.post import Bridge, Post
from dobby.skill.driver import Finding, Sign
from dobby.store import Store

HOUSE = """
devices:
  - {id: lamp, name: Reading lamp, kind: light, room: Study, state: {on: false}}
  - {id: door, name: Front door, kind: lock, room: Hall, state: {locked: true}}
  - {id: back, name: Back door, kind: lock, room: Hall, state: {locked: true}}
  - {id: evil, name: "<img src=x onerror=alert(1)>", kind: light, room: Study, state: {on: false}}
"""
HINTS = ("lamp on", "unlock the front door", "tell me a story")
LOCKED = {"front": "door", "back": "back"}


class FewWords:
    """Understands a handful of sentences; everything else is said back."""

    def __init__(self) -> None:
        self.hold = asyncio.Event()
        self.hold.set()

    async def plan(self, text: str, context: Context) -> Plan:
        words = text.casefold().split()
        if text == "think":
            await asyncio.sleep(1.2)
        await self.hold.wait()
        match words:
            case ["lamp", ("on" | "off") as to]:
                return Plan(calls=(Call("set", "lamp", {"on": to == "on"}),))
            case ["evil", "on"]:
                return Plan(calls=(Call("set", "evil", {"on": True}),))
            case ["unlock", "the", which, "door"]:
                return Plan(calls=(Call("set", LOCKED[which], {"locked": False}),))
            case ["light"]:
                options = (("Reading lamp", "lamp"), ("<b>Evil</b>", "evil"))
                return Plan(say="Which one?", choices=tuple(Choice(n, (Call("set", d, {"on": True}),)) for n, d in options))
            case ["connect", "the", what]:
                return Plan(order=Order.SEEK, about=what)
            case ["break"]:
                raise RuntimeError("a sick event")
        return Plan(say=f"You said: {text}")

    def report(self, outcomes: Sequence[Outcome], language: str, units: str) -> str:
        return " ".join(f"{o.device.name if o.device else '?'}: {dict(o.after)} {o.state}." for o in outcomes)

    def phrase(self, key: str, language: str, **facts: object) -> str:
        return {
            "yes_word": "Yes",
            "no_word": "No",
            "left_it": "Left it.",
            "too_late": "Too late.",
            "no_answer": "No answer.",
        }.get(key, f"{key} {facts if facts else ''}".strip())


class Dobby:
    """All of it, wired. `async with` opens it; leaving stops it in an orderly way."""

    def __init__(self, folder: Path, *, port: int = 0, clock: Clock | None = None, bridge: Bridge | None = None) -> None:
        self.clock = clock or SystemClock()
        self.store: Store = open_journal(folder)
        self.people = People(self.store, self.clock)
        self.web = Web(self.store, self.people, self.clock, port=port, hosts=["dobby.test"], hints=HINTS)
        self.bridge = bridge or self.web
        loaded = load.parse(HOUSE, clock=self.clock)
        self.house = loaded.house
        self.mind = FewWords()
        driver = Virtual(loaded.states)
        hands = Hands(self.house, {device.driver: driver for device in self.house}, settle=0.2)
        self.post = Post(self.store, self.clock, [self.bridge])
        self.butler = Butler(Desk(self.store, self.house, hands, self.mind, self.people, self.clock, self.post))
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "Dobby":
        for person in (Person("anna", "Anna", Role.OWNER), Person("ben", "Ben", Role.ADULT)):
            await self.people.keep(person)
        running = asyncio.create_task(self.butler.run())
        self._stack.push_async_callback(self._stop, running)
        await self.butler.ready.wait()
        self.web.hear, self.web.moved = self.butler.hear, self.post.moved
        self.web.draw = Drawing(self.house, self.clock, self.look, lambda person: Speech(person.language or "en"))
        await self.web.open()
        return self

    async def look(self) -> Look:
        """A network with a lamp of the house, a bridge and something nobody knows."""
        sonos, odd = Sign("ssdp", "urn:schemas-upnp-org:device:ZonePlayer:1"), Sign("mdns", "_strange._tcp.local.")
        look = Look({})
        for sign, address in ((sonos, "192.168.1.20"), (Sign("mdns", "_hue._tcp.local."), "192.168.1.9"), (odd, "192.168.1.77")):
            look.heard(Finding(sign, address, {}))
        return look

    async def _stop(self, running: "asyncio.Task[None]") -> None:
        await self.web.aclose()
        running.cancel()
        await asyncio.wait([running])
        await self.store.aclose()

    async def __aexit__(self, *_: Any) -> None:
        await self._stack.aclose()

    def desk_questions(self) -> int:
        """How many questions are open."""
        return len(self.butler.desk.questions)

    async def add(self, bridge: Any, **addresses: str) -> None:
        """One more way in; `addresses` say by which of its addresses a person is known."""
        bridge.hear = self.butler.hear
        self.post.bridges[bridge.name] = bridge
        for person, address in addresses.items():
            await self.people.reach(person, bridge.name, address)

    async def link(self, person: str = "anna") -> str:
        """A login link, as the QR code carries it."""
        return f"http://127.0.0.1:{self.web.port}/#code={await self.people.make_code(person)}"


async def _serve(folder: str, port: str) -> None:
    async with Dobby(Path(folder), port=int(port)) as dobby:
        print(await dobby.link(), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:3]))
