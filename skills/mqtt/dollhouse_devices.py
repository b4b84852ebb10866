"""The devices of the MQTT dollhouse: what each is, says of itself and does when it is told, in its own time.

Topics and payloads as real devices have them; times in seconds. It does not know the broker.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

TRAVEL = 6.0  # seconds for a blind from end to end
STEP = 0.5  # seconds between its reports
BOLT = 1.0  # seconds for a lock
PULSE = 1.0  # seconds a relay stays closed
ARMING, VALVE = 2.0, 2.0
DRIFT = 10.0  # seconds in which a room changes by a tenth of a degree
BASE = "zigbee2mqtt"

State = dict[str, Any]


class Line(Protocol):
    """How a device gets heard."""

    async def say(self, topic: str, payload: str, retain: bool = True) -> None:
        """Publish."""
        ...


@dataclass(eq=False)
class Thing:
    """One device: what it truly is, in the house's units, and where it talks."""

    row: Mapping[str, Any]
    topic: str
    pace: float
    state: State = field(default_factory=dict)
    line: Line | None = None
    plugged: bool = True
    moving: "asyncio.Task[None] | None" = None
    reported: dict[str, str] = field(default_factory=dict)

    def reports(self) -> dict[str, str]:
        """Topic -> payload, from what is true."""
        return {f"{self.topic}{leaf}": said for leaf, said in REPORTS[self.row["behaves"]](self.state).items()}

    async def report(self, *, again: bool = False) -> None:
        """Say what changed, or everything again."""
        for topic, payload in self.reports().items():
            if self.line and self.plugged and (again or self.reported.get(topic) != payload):
                self.reported[topic] = payload
                await self.line.say(topic, payload)

    async def become(self, **traits: Any) -> None:
        """It is so now, and it says so."""
        self.state |= traits
        await self.report()

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.pace)


def announced(thing: Thing) -> Iterator[tuple[str, str]]:
    device = {"ids": [thing.row["id"]], "name": thing.row["name"], "sa": thing.row["room"], "mf": "Dollhouse"}
    for component, rows in thing.row["announce"].items():
        for row in rows if isinstance(rows, list) else [rows]:
            key = f"_{row['key']}" if "key" in row else ""
            own = {name: value for name, value in row.items() if name != "key"}
            settings = {
                "~": thing.topic,
                "name": None,
                "uniq_id": thing.row["id"] + key,
                "avty_t": "~/there",
                **own,
                "dev": device,
            }
            yield f"homeassistant/{component}/{thing.row['id']}{key}/config", json.dumps(settings)


def bridge(things: Sequence[Thing]) -> Iterator[tuple[str, str]]:
    """What zigbee2mqtt keeps: its list of devices, and the same lamp once more for Home Assistant."""
    rows = [
        {
            "ieee_address": thing.row["id"],
            "friendly_name": thing.row["name"],
            "type": "Router",
            "supported": True,
            "disabled": False,
            "definition": {"model": "D-1", "vendor": "Dollhouse", "description": "", "exposes": thing.row["exposes"]},
        }
        for thing in things
    ]
    coordinator = {
        "ieee_address": "0x00124b0000000000",
        "type": "Coordinator",
        "friendly_name": "Coordinator",
        "definition": None,
    }
    yield f"{BASE}/bridge/devices", json.dumps([coordinator, *rows])
    lamp = things[0]
    device = {"ids": [f"zigbee2mqtt_{lamp.row['id']}"], "name": lamp.row["name"]}
    settings = {
        "schema": "json",
        "name": None,
        "stat_t": lamp.topic,
        "cmd_t": f"{lamp.topic}/set",
        "brightness": True,
        "dev": device,
    }
    settings["uniq_id"] = f"{lamp.row['id']}_light_{BASE}"
    yield f"homeassistant/light/{lamp.row['id']}/light/config", json.dumps(settings)


# What each kind of device says of itself


def _on(state: State) -> str:
    return "ON" if state["on"] else "OFF"


def _glow(state: State) -> dict[str, Any]:
    said: dict[str, Any] = {"state": _on(state), "brightness": round(state["brightness"] * 2.55)}
    if "color_temp" in state:
        said |= {"color_mode": "color_temp", "color_temp": round(1e6 / state["color_temp"])}
    if "color" in state:
        said |= {"color_mode": "rgb", "color": dict(zip("rgb", bytes.fromhex(state["color"][1:]), strict=True))}
    return said | ({"effect": state["effect"]} if "effect" in state else {})


def _zigbee_light(state: State) -> dict[str, str]:
    said = {"state": _on(state), "brightness": round(state["brightness"] * 2.54), "color_temp": round(1e6 / state["color_temp"])}
    return {"": json.dumps(said | {"linkquality": 120})}


def _blind(state: State) -> dict[str, str]:
    still = "closed" if state["position"] == 0 else "open"
    return {"/state": state.get("way", still) if state["moving"] else still, "/position": str(round(state["position"]))}


def _alarm(state: State) -> dict[str, str]:
    armed = state["armed"] if state["armed"] in ("disarmed", "arming") else f"armed_{state['armed']}"
    return {"/state": "triggered" if state["triggered"] else armed}


REPORTS: Mapping[str, Callable[[State], dict[str, str]]] = {
    "switch": lambda state: {"/state": _on(state)},
    "relay": lambda state: {"/state": _on(state)},
    "lamp": lambda state: {"/state": _on(state), "/brightness": str(round(state["brightness"] * 2.55))},
    "glow": lambda state: {"/state": json.dumps(_glow(state))},
    "blind": _blind,
    "thermostat": lambda state: {
        "/mode": state["mode"],
        "/target": f"{state['target']:.1f}",
        "/now": f"{state['temperature']:.1f}",
    },
    "lock": lambda state: {"/state": state.get("way") or ("LOCKED" if state["locked"] else "UNLOCKED")},
    "alarm": _alarm,
    "fan": lambda state: {"/state": _on(state), "/speed": str(round(state["speed"] / 25)), "/direction": state["direction"]},
    "valve": lambda state: {"/state": state.get("way") or ("open" if state["position"] else "closed")},
    "sensor": lambda state: {"/state": json.dumps(state)},
    "zigbee_light": _zigbee_light,
    "zigbee_plug": lambda state: {"": json.dumps({"state": _on(state), "power": state["power"], "linkquality": 88})},
}

# What each does when it is told something


async def _switch(thing: Thing, leaf: str, said: str) -> None:
    if said in ("ON", "OFF"):
        await thing.become(on=said == "ON")


async def _lamp(thing: Thing, leaf: str, said: str) -> None:
    if leaf == "brightness":
        await thing.become(on=True, brightness=round(int(said) / 2.55))
    else:
        await _switch(thing, leaf, said)


async def _glowing(thing: Thing, leaf: str, said: str, full: float = 255) -> None:
    wanted = json.loads(said)
    traits: State = {"on": wanted["state"] == "ON"} if "state" in wanted else {}
    if "brightness" in wanted:
        traits["brightness"] = round(wanted["brightness"] * 100 / full)
    if "color_temp" in wanted:
        traits["color_temp"] = round(1e6 / wanted["color_temp"])
        thing.state.pop("color", None)
    if "color" in wanted:
        traits["color"] = "#" + bytes(wanted["color"][letter] for letter in "rgb").hex()
        thing.state.pop("color_temp", None)
    if "effect" in wanted:
        traits["effect"] = wanted["effect"]
    await thing.become(**traits)


async def _zigbee_glowing(thing: Thing, leaf: str, said: str) -> None:
    await _glowing(thing, leaf, said, 254)


async def _blinds(thing: Thing, leaf: str, said: str) -> None:
    """Moves at its own speed, reports on the way, and stops where it is when told something else."""
    if said == "STOP":
        await thing.become(moving=False)
        return
    goal = {"OPEN": 100.0, "CLOSE": 0.0}.get(said) if not leaf else float(said)
    while goal is not None and thing.state["position"] != goal:
        way = goal - thing.state["position"]
        if not thing.state["moving"] or thing.reported.get(f"{thing.topic}/state") in ("open", "closed"):
            await thing.become(moving=True, way="opening" if way > 0 else "closing")
        await thing.pause(STEP)
        step = 100 * STEP / TRAVEL
        here = goal if abs(way) <= step else thing.state["position"] + (step if way > 0 else -step)
        await thing.become(position=here, moving=here != goal)


async def _thermostat(thing: Thing, leaf: str, said: str) -> None:
    await thing.become(**{leaf: float(said) if leaf == "target" else said})


async def _lock(thing: Thing, leaf: str, said: str) -> None:
    if said in ("LOCK", "UNLOCK"):
        await thing.become(way=f"{said}ING")
        await thing.pause(BOLT)
        await thing.become(way="", locked=said == "LOCK")


async def _relay(thing: Thing, leaf: str, said: str) -> None:
    """Each pulse starts the garage door the other way."""
    if said == "ON":
        await thing.become(on=True, door="open" if thing.state["door"] == "closed" else "closed")
        await thing.pause(PULSE)
    await thing.become(on=False)


async def _arm(thing: Thing, leaf: str, said: str) -> None:
    if said == "DISARM":
        await thing.become(armed="disarmed", triggered=False)
    elif said.startswith("ARM_"):
        await thing.become(armed="arming")
        await thing.pause(ARMING)
        await thing.become(armed=said.removeprefix("ARM_").lower())


async def _fan(thing: Thing, leaf: str, said: str) -> None:
    if leaf == "speed":
        await thing.become(speed=int(said) * 25)
    elif leaf == "direction":
        await thing.become(direction=said)
    else:
        await _switch(thing, leaf, said)


async def _valve(thing: Thing, leaf: str, said: str) -> None:
    if said in ("OPEN", "CLOSE"):
        await thing.become(way={"OPEN": "opening", "CLOSE": "closing"}[said])
        await thing.pause(VALVE)
        await thing.become(way="", position=100 if said == "OPEN" else 0)


async def _plug(thing: Thing, leaf: str, said: str) -> None:
    on = json.loads(said)["state"] == "ON"
    await thing.become(on=on, power=42.0 if on else 0.0)


async def _nothing(thing: Thing, leaf: str, said: str) -> None:
    """It takes no orders."""


Obey = Callable[[Thing, str, str], Coroutine[Any, Any, None]]
OBEYS: Mapping[str, Obey] = {
    "switch": _switch,
    "relay": _relay,
    "lamp": _lamp,
    "glow": _glowing,
    "blind": _blinds,
    "thermostat": _thermostat,
    "lock": _lock,
    "alarm": _arm,
    "fan": _fan,
    "valve": _valve,
    "sensor": _nothing,
    "zigbee_light": _zigbee_glowing,
    "zigbee_plug": _plug,
}


async def drift(thing: Thing) -> None:
    """The room follows the thermostat, and cools when it is off."""
    while True:
        await thing.pause(DRIFT)
        goal = thing.state["target"] if thing.state["mode"] != "off" else 16.0
        way = max(-0.1, min(0.1, goal - thing.state["temperature"]))
        await thing.become(temperature=round(thing.state["temperature"] + way, 1))
