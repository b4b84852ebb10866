"""WhatsApp, for the knife: what is written, how Twilio misbehaves meanwhile, and what must be true at the end.

Twilio's fake and the phones live in the harness's own process and survive every death. It does not know where the process died.
"""

import random
import sqlite3
from collections import Counter
from typing import Any

from dobby.dollhouse.house import device_side
from dobby.paths import shipped
from tests.crash.scenario import Step

fake = device_side(shipped("skills") / "whatsapp")
PUBLIC = "https://dobby.test"
WRONGS = ("", "", "", "", "lost", "500", "429", "cut", "busy")  # befalls a message that is sent, drawn by lot
NUMBERS = {"ann": "+4915100000001", "bob": "+4915100000002", "zoe": "+4915100000003"}
STRANGER = "+4915100000009"


def _step(key: str, who: str, text: str, after: str = "") -> Step:
    return Step(key, "whatsapp", NUMBERS.get(who, STRANGER), text, after)


# Zoe never writes: an owner who hears of the stranger, and is asked, outside the 24 hours.
LETTERS = (
    _step("w1", "ann", "lamp 40"),
    _step("w2", "ann", "add milk"),
    _step("w3", "bob", "ring a"),
    _step("w4", "bob", "open front"),
    _step("w5", "ann", "yes", after="Unlock the front door?"),
    _step("w6", "ann", "long"),
    _step("w7", "somebody", "hi"),
    _step("w8", "bob", "lamp 70, ring b"),
)
ONCE = ("w3", "w7", "w8")  # the webhook is told of these a single time, whatever it answers
AT_LAST = {"lamp": {"on": True, "brightness": 70}, "front": {"locked": False}, "shopping": {"items": ["milk"]}}
OPTIONS = " (yes_word / no_word)"
SENT = ("sent", "delivered", "read")


async def open_twilio(seed: int) -> Any:
    """A Twilio whose sends go wrong by lot, and whose webhooks come twice, late and out of order."""
    twilio = await fake.Twilio(seed=seed).__aenter__()
    twilio.wrongs.extend(random.Random(seed).choices(WRONGS, k=60))
    twilio.loose, twilio.public = True, PUBLIC
    return twilio


def config_of(twilio: Any) -> dict[str, str]:
    """What leads Dobby to it."""
    number, template, buttons = fake.SENDER.partition(":")[2], "HX" + "1" * 32, "HX" + "2" * 32
    table = {"account": fake.ACCOUNT, "number": number, "public_url": PUBLIC, "api": twilio.url, "token": fake.TOKEN}
    return table | {"template": template, "buttons": buttons}


def judge_letters(found: dict[str, list[str]], world: Any, db: sqlite3.Connection, twilio: Any) -> None:
    """Hold the rows against what the phones show; what is wrong goes into `found`."""
    rows = db.execute("SELECT key, lane, text, state FROM outbox ORDER BY id").fetchall()
    shown = [one for number in {*NUMBERS.values(), STRANGER} for one in twilio.shown(f"whatsapp:{number}")]
    seen = Counter((one.to.partition(":")[2], _words(one)) for one in shown)
    sent = Counter[tuple[str, str]]()
    for key, lane, text, state in rows:
        here = (lane.partition("/")[2], " ".join(text.split()))
        sent[here] += state in SENT
        if (
            state == "failed"
            and not db.execute("SELECT 1 FROM outbox WHERE key GLOB ?", (f"{key.partition('~')[0]}~*",)).fetchone()
        ):
            found["lost"].append(f"{key} has failed for good")
        if state in ("owed", "sending", "unknown"):  # Twilio's list decides
            found["wrong"].append(f"{key} is {state}")
    for here in seen | sent:
        if seen[here] > sent[here]:
            found["doubled"].append(f"{here} was seen {seen[here]} times for {sent[here]} rows")
        if seen[here] < sent[here]:
            found["lost"].append(f"{here} was seen {seen[here]} times for {sent[here]} rows")
    ran_out = db.execute("SELECT 1 FROM effect WHERE why = 'expired'").fetchone() is not None
    for device, traits in (AT_LAST | {"front": {"locked": ran_out}}).items():
        state = world.read(device)
        found["wrong"] += [f"{device} {trait} is {state[trait]}" for trait, value in traits.items() if state[trait] != value]
    wanted = {"stranger": f"whatsapp/{STRANGER}", "owner": f"whatsapp/{NUMBERS['zoe']}"}
    found["lost"] += [f"nothing was written to the {who}" for who, lane in wanted.items() if lane not in {row[1] for row in rows}]


def _words(message: Any) -> str:
    """What a phone shows, without the template around it and what may be answered."""
    return " ".join(message.body.removeprefix("Dobby: ").removesuffix(" Reply to see more.").removesuffix(OPTIONS).split())
