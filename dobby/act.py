"""The only caller of a driver: set, read back, say what became of it. One hand per device.

Intent rows are committed before `perform` is called and closed from its outcome by the butler. It does not judge (that
is the gate) and does not speak.
"""

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from dobby.errors import DobbyError, Refused, Unreachable, Unsure
from dobby.events import Call, Change, EffectClass, EffectState, State, Value
from dobby.house.kinds import coupled
from dobby.house.model import Device
from dobby.house.registry import House
from dobby.journal.ledger import EffectRow
from dobby.skill.driver import Driver

log = logging.getLogger(__name__)

SETTLE = 1.5  # seconds in which a confirmed change is told as a fact
ACCEPT = 10.0  # seconds a driver has to accept a command
LOOK = 5.0  # seconds a device has to be read
RETURN = 20.0  # seconds a device has to come back after a restart of ours
PATIENCE: Mapping[str, float] = {"cover": 90.0, "valve": 60.0, "lock": 20.0, "alarm": 90.0, "vacuum": 60.0, "mower": 60.0}
OTHERS = 15.0  # seconds until an unconfirmed change of any other kind counts as failed

# What a verb makes true, so that it can be read back; a verb that is not here is done when the device accepted it.
MAKES: Mapping[str, State] = {
    "play": {"playing": "playing"},
    "stop": {"moving": False},
    "clean": {"state": "cleaning"},
}


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of an effect: `after` the wanted traits as read back; `INTENDED` means it is still under way."""

    state: EffectState
    after: State = field(default_factory=dict)
    echoed: bool = False
    why: str = ""


class Runner(Protocol):
    """Runs skills' functions (`dobby.butler.tools`)."""

    def tool(self, name: str) -> object | None:
        """The function of this name, if there is one."""
        ...

    async def run(self, call: Call) -> str:
        """Call it; its answer in words."""
        ...


class Hands:
    """Carries out calls on devices, one at a time per device, and runs skills' functions."""

    def __init__(
        self,
        house: House,
        drivers: Mapping[str, Driver],
        tools: Runner | None = None,
        *,
        settle: float = SETTLE,
        patience: Mapping[str, float] = PATIENCE,
    ) -> None:
        self._house = house
        self._drivers = drivers
        self._tools = tools
        self._settle = settle
        self._patience = patience
        self._hands: dict[str, asyncio.Lock] = {}
        self._holding: set[asyncio.Task[Any]] = set()

    def wanted(self, call: Call) -> State:
        """What a call makes true, coupled traits included; empty where only its acceptance can be known."""
        device = self._house.get(call.device)
        if device is None:
            return {}
        if call.tool == "set":
            return {t: v for t, v in coupled(device.kind, call.args, self._now(device)).items() if t in device.traits}
        makes = MAKES.get(str(call.args.get("verb")), {})
        return {trait: value for trait, value in makes.items() if trait in device.traits}

    def effect_class(self, call: Call) -> EffectClass:
        """What may be repeated: the gravest class among the traits, the verb's own, blind for what nobody labelled."""
        device = self._house.get(call.device)
        if device is None:
            return EffectClass.BLIND
        if call.tool == "do":
            return device.verbs.get(str(call.args.get("verb")), EffectClass.BLIND)
        classes = {device.traits[trait].effect for trait in call.args if trait in device.traits}
        return max(classes, key=list(EffectClass).index, default=EffectClass.BLIND)

    def before(self, call: Call) -> State:
        """The device as it is now, for the row."""
        return self._house.state.of(call.device)

    def _now(self, device: Device) -> State:
        return self._house.state.of(device.id)

    # Doing

    async def perform(self, effect: EffectRow) -> Ending:
        """Do what the row says and look. Never raises for a device's fault: an ending says what is known."""
        call = effect.call
        if call.tool not in ("set", "do"):
            return await self.run_tool(call)
        device = self._house.get(call.device)
        driver = self._drivers.get(device.driver) if device else None
        if device is None or driver is None:
            return Ending(EffectState.FAILED, why="gone")
        self._house.state.expect(device.id, self.wanted(call), f"effect:{effect.id}")
        try:
            await self._hold(device, self._send(driver, device, call), ACCEPT)
        except (Refused, Unreachable) as error:
            if isinstance(error, Unreachable):
                self._house.state.hear(Change(device.id, available=False))
            return Ending(EffectState.FAILED, why=str(error))
        except TimeoutError:
            return await self._doubt(effect, device, "It did not answer in time.")
        except Unsure as error:
            return await self._doubt(effect, device, str(error))
        except Exception as error:  # the one boundary for devices' own errors
            log.exception("Device %s failed in a way its driver does not know", device.id)
            return await self._doubt(effect, device, f"It failed: {type(error).__name__}.")
        return await self._confirm(driver, device, call, self._settle)

    async def _send(self, driver: Driver, device: Device, call: Call) -> None:
        if call.tool == "set":
            await driver.set(device, self.wanted(call))
        else:
            args = {name: value for name, value in call.args.items() if name != "verb"}
            await driver.do(device, str(call.args["verb"]), **args)

    async def run_tool(self, call: Call) -> Ending:
        """Run a skill's function; its answer is the ending's `says`."""
        if self._tools is None:
            return Ending(EffectState.FAILED, why="gone")
        try:
            text = await self._tools.run(call)
        except DobbyError as error:
            return Ending(EffectState.FAILED, why=str(error))
        except Exception as error:  # the boundary for skills' functions
            log.exception("The skill function %s failed", call.tool)
            return Ending(EffectState.FAILED, why=f"{call.tool} failed: {type(error).__name__}.")
        return Ending(EffectState.DONE, {"says": text})

    async def _hold(self, device: Device, work: Awaitable[Any], seconds: float) -> Any:
        """Run one piece of work with the device's hand; a hand is free only when the work has really returned."""
        task = asyncio.ensure_future(self._with_hand(device.id, work))
        self._holding.add(task)
        task.add_done_callback(self._let_go)
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if not done:
            task.cancel()
            raise TimeoutError
        return task.result()

    def _let_go(self, task: "asyncio.Task[Any]") -> None:
        self._holding.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.debug("A hand let go of %r", error)

    async def _with_hand(self, device: str, work: Awaitable[Any]) -> Any:
        async with self._hands.setdefault(device, asyncio.Lock()):
            return await work

    # Looking

    async def look(self, device: Device) -> bool:
        """Read a device afresh; False where it did not answer."""
        driver = self._drivers.get(device.driver)
        if driver is None:
            return False
        try:
            async with asyncio.timeout(LOOK):
                state = await driver.read(device)
        except Exception as error:  # the boundary again: a device that cannot be read is out of reach, whatever it threw
            log.info("Device %s could not be read: %s", device.id, type(error).__name__)
            self._house.state.hear(Change(device.id, available=False))
            return False
        self._house.state.hear(Change(device.id, state, available=True))
        return True

    async def _look_again(self, device: Device, seconds: float) -> bool:
        """Look until the device answers: after a restart its link may need a moment."""
        clock = asyncio.get_running_loop().time
        until, pause = clock() + seconds, 0.1
        while not await self.look(device):
            if clock() >= until:
                return False
            await self._house.state.changed(device.id, pause)
            pause = min(pause * 2, 2.0)
        return True

    def _is_so(self, device: Device, wanted: State) -> bool:
        now = self._now(device)
        return all(trait in now and device.traits[trait].matches(value, now[trait]) for trait, value in wanted.items())

    def _ending(self, device: Device, wanted: State, state: EffectState, why: str = "") -> Ending:
        now = self._now(device)
        after = {trait: now.get(trait) for trait in wanted}
        echoed = state is EffectState.DONE and any(device.traits[trait].echoes for trait in wanted)
        return Ending(state, after, echoed, why)

    async def _confirm(self, driver: Driver, device: Device, call: Call, seconds: float) -> Ending:
        """Wait until the device is where it was asked to be: pushes first, a look now and then."""
        wanted = self.wanted(call) if call.tool == "set" else MAKES.get(str(call.args.get("verb")), {})
        wanted = {trait: value for trait, value in wanted.items() if trait in device.traits}
        if not wanted:
            await self.look(device)
            return Ending(EffectState.DONE, self._news(device))
        if any(device.traits[trait].echoes for trait in wanted):
            await self.look(device)
            return self._ending(device, wanted, EffectState.DONE)
        clock = asyncio.get_running_loop().time
        until, pause = clock() + seconds, 0.0
        while not self._is_so(device, wanted):
            if clock() >= until:
                return self._ending(device, wanted, EffectState.INTENDED)
            if not await self._house.state.changed(device.id, min(pause, max(0.0, until - clock()))):
                pause = min(max(pause * 2, 0.1), 2.0)
                await self.look(device)
        return self._ending(device, wanted, EffectState.DONE)

    def _news(self, device: Device) -> dict[str, Value]:
        now = self._now(device)
        return {trait: now[trait] for trait in ("title", "artist") if now.get(trait)}

    async def watch(self, effect: EffectRow) -> Ending:
        """Follow a slow change to its end: done, or failed with where it stands."""
        device = self._house.get(effect.call.device)
        driver = self._drivers.get(device.driver) if device else None
        if device is None or driver is None:
            return Ending(EffectState.FAILED, why="gone")
        ending = await self._confirm(driver, device, effect.call, self._patience.get(device.kind, OTHERS))
        if ending.state is EffectState.INTENDED:
            known = self._house.state.unavailable_since(device.id) is None
            return replace(ending, state=EffectState.FAILED if known else EffectState.UNKNOWN, why="stuck" if known else "silent")
        return ending

    # Doubt

    async def _doubt(self, effect: EffectRow, device: Device, why: str) -> Ending:
        """It may have happened: look; repeat once where that is harmless."""
        found = await self.reconcile(effect, again=False)
        if found.state is EffectState.DONE or found.state is EffectState.UNKNOWN:
            return replace(found, why=why if found.state is EffectState.UNKNOWN else "")
        if effect.effect is not EffectClass.IDEMPOTENT:
            return Ending(EffectState.UNKNOWN, found.after, why=why)
        driver = self._drivers[device.driver]
        try:
            await self._hold(device, self._send(driver, device, effect.call), ACCEPT)
        except Exception as error:  # the second try is the last: what it threw is already in doubt
            log.info("Device %s failed twice: %s", device.id, type(error).__name__)
            return Ending(EffectState.FAILED, found.after, why=why)
        return await self._confirm(driver, device, effect.call, self._settle)

    async def reconcile(self, effect: EffectRow, *, again: bool = True) -> Ending:
        """After a crash or a time-out: read the device. So → done; not so → again where harmless; cannot tell → unknown.

        With `again` false the last step is left to the caller: INTENDED then means "not so, and reachable".
        """
        device = self._house.get(effect.call.device)
        if effect.effect is EffectClass.BLIND or device is None:
            return Ending(EffectState.UNKNOWN, why="blind")
        seen = await self._look_again(device, RETURN if again else 0.0)
        wanted = self.wanted(effect.call)
        if not seen:
            return Ending(EffectState.UNKNOWN, why="silent")
        if effect.effect is EffectClass.ASKABLE:
            happened = self._happened(effect, device)
        else:
            happened = self._is_so(device, wanted) if wanted else None
        if happened is None and effect.effect is EffectClass.ASKABLE:
            return Ending(EffectState.UNKNOWN, why="blind")
        if happened:
            return self._ending(device, wanted, EffectState.DONE)
        return await self.perform(effect) if again else self._ending(device, wanted, EffectState.INTENDED)

    def _happened(self, effect: EffectRow, device: Device) -> bool | None:
        """An askable effect: the device's own count, list or track says whether it happened; None where it cannot."""
        now = self._now(device)
        tell = [trait for trait in ("count", "items", "track", "title") if trait in effect.before and trait in now]
        return any(now[trait] != effect.before[trait] for trait in tell) if tell else None

    async def aclose(self) -> None:
        """Wait a moment for the hands to come back."""
        if self._holding:
            await asyncio.wait(self._holding, timeout=2.0)
