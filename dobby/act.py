"""The only caller of a driver: set, read back, say what became of it. One hand per device.

Intent rows are committed before `perform` is called and closed from its outcome by the butler. It does not judge (that
is the gate) and does not speak.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from dobby.errors import DobbyError, Refused, Unreachable, Unsure
from dobby.events import Call, EffectClass, EffectState, State, Value
from dobby.house.kinds import coupled
from dobby.house.model import Device
from dobby.house.registry import House
from dobby.journal.ledger import EffectRow
from dobby.skill.driver import Driver
from dobby.ways import Ways

log = logging.getLogger(__name__)

SETTLE = 1.5  # seconds in which a confirmed change is told as a fact
ACCEPT = 10.0  # seconds a driver has to accept a command, and as long to wait for a busy hand
LOOK = 5.0  # seconds a device has to be read
RETURN = 20.0  # seconds a device has to come back after a restart of ours
PATIENCE: Mapping[str, float] = {"cover": 90.0, "valve": 60.0, "lock": 20.0, "alarm": 90.0, "vacuum": 60.0, "mower": 60.0}
OTHERS = 15.0  # seconds until an unconfirmed change of any other kind counts as failed

# What a verb makes true, so that it can be read back; a verb that is not here is done when the device accepted it.
MAKES: Mapping[str, State] = {"play": {"playing": "playing"}, "stop": {"moving": False}, "clean": {"state": "cleaning"}}


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

    async def run(self, call: Call) -> State:
        """Call it; its answer: `says`, and `picture` where it shows one."""
        ...


class _Busy(Unreachable):
    """The device's hand did not come free in time: nothing was sent."""


class Hands:
    """Carries out calls on devices, one at a time per device, and runs skills' functions. All times in seconds."""

    def __init__(
        self,
        house: House,
        drivers: Mapping[str, Driver],
        tools: Runner | None = None,
        *,
        settle: float = SETTLE,
        patience: Mapping[str, float] = PATIENCE,
        accept: float = ACCEPT,
        looking: float = LOOK,
        back: float = RETURN,
    ) -> None:
        self._house = house
        self._ways = Ways(house, drivers)
        self._tools = tools
        self._settle, self._patience = settle, patience
        self._accept, self._looking, self._back = accept, looking, back
        self._hands: dict[str, asyncio.Lock] = {}
        self._running: set[asyncio.Task[Any]] = set()
        self.peek: Callable[[Device], Awaitable[State]] | None = None  # a camera's `picture` of now, as a path

    def wanted(self, call: Call, was: State | None = None) -> State:
        """What a call makes true, coupled traits included; empty where only its acceptance can be known.

        `was` is the device before the call, by default as it is now.
        """
        device = self._house.get(call.device)
        if device is None:
            return {}
        if call.tool == "set":
            makes: State = coupled(device.kind, call.args, self._now(device) if was is None else was)
        else:
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

    def _reach(self, call: Call) -> Device | None:
        device = self._house.get(call.device)
        return device if device and self._ways.of(device) else None

    # Doing

    async def perform(self, effect: EffectRow) -> Ending:
        """Do what the row says and look. Never raises for a device's fault: an ending says what is known."""
        if effect.call.tool not in ("set", "do"):
            return await self.run_tool(effect.call)
        device = self._reach(effect.call)
        if device is None:
            return Ending(EffectState.FAILED, why="gone")
        if device.kind == "camera" and effect.call.args.get("verb") == "snapshot" and self.peek is not None:
            return await self._peeked(self.peek(device))
        wanted = self.wanted(effect.call)
        was_so = self._is_so(device, wanted)
        self._house.state.expect(device.id, wanted, f"effect:{effect.id}")
        try:
            plays = await self._send(device, effect.call, wanted)
        except (Refused, Unreachable) as error:
            return Ending(EffectState.FAILED, why=str(error))
        except Unsure as error:
            return await self._doubt(effect, device, str(error))
        ending = await self._accepted(effect, device, wanted, afresh=was_so)
        return replace(ending, after={**ending.after, "plays": plays}) if isinstance(plays, str) and plays else ending

    async def _peeked(self, look: Awaitable[State]) -> Ending:
        try:
            return Ending(EffectState.DONE, await look)
        except DobbyError as error:
            return Ending(EffectState.FAILED, why=str(error))

    async def _send(self, device: Device, call: Call, wanted: State) -> Any:
        """Hand it over; what a driver does not know about its own failure is in doubt."""
        try:
            return await self._hold(device, lambda: self._ways.send(device, call, wanted), self._accept)
        except (Refused, Unreachable, Unsure):
            raise
        except TimeoutError as error:
            raise Unsure("silent") from error
        except Exception as error:  # the one boundary for devices' own errors
            log.exception("Device %s failed in a way its driver does not know", device.id)
            raise Unsure("silent") from error

    async def _accepted(self, effect: EffectRow, device: Device, wanted: State, *, afresh: bool) -> Ending:
        if effect.effect is EffectClass.BLIND and wanted:
            return Ending(EffectState.DONE, dict(wanted), echoed=True)
        return await self._confirm(device, wanted, self._settle, afresh=afresh)

    async def run_tool(self, call: Call) -> Ending:
        """Run a skill's function; its answer is the ending's `says` and `picture`."""
        if self._tools is None:
            return Ending(EffectState.FAILED, why="gone")
        try:
            answer = await self._tools.run(call)
        except Unsure as error:
            return Ending(EffectState.UNKNOWN, why=str(error))
        except DobbyError as error:
            return Ending(EffectState.FAILED, why=str(error))
        except Exception as error:  # the boundary for skills' functions
            log.exception("The skill function %s failed", call.tool)
            return Ending(EffectState.UNKNOWN, why=f"{call.tool} failed: {type(error).__name__}.")
        return Ending(EffectState.DONE, answer)

    async def _hold(self, device: Device, work: Callable[[], Coroutine[Any, Any, Any]], seconds: float) -> Any:
        """Run one piece of work with the device's hand; a hand is free only when the work has really returned.

        :raises _Busy: the hand never came free, nothing was begun; :raises TimeoutError: it was begun and did not return.
        """
        hand = self._hands.setdefault(device.id, asyncio.Lock())
        try:
            async with asyncio.timeout(seconds):
                await hand.acquire()
        except TimeoutError as error:
            raise _Busy("silent") from error
        task = self._start(work())
        task.add_done_callback(lambda _: hand.release())
        if not await _ended(task, seconds):
            task.cancel()
            raise TimeoutError
        if task.cancelled():
            raise Unsure("silent")
        return task.result()

    def _start(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._let_go)
        return task

    def _let_go(self, task: "asyncio.Task[Any]") -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.debug("A hand let go of %r", error)

    # Looking

    async def look(self, device: Device) -> bool:
        """Read a device afresh, by the best way that answers; False where none did."""
        try:
            return bool(await self._hold(device, lambda: self._ways.read(device), self._looking))
        except _Busy:
            return False
        except TimeoutError:
            log.info("Device %s could not be read in time", device.id)
            self._ways.lose(device)
            return False

    async def look_before(self, calls: Iterable[Call]) -> None:
        """Look at what can be asked later whether it happened, so that its row says how it was before."""
        askable = {call.device for call in calls if self.effect_class(call) is EffectClass.ASKABLE}
        devices = [device for device in map(self._house.get, askable) if device]
        await asyncio.gather(*(self._look_for(device, self._looking) for device in devices))

    async def _look_for(self, device: Device, seconds: float) -> bool:
        """A look that is waited for so long at most; it goes on by itself."""
        task = self._start(self.look(device))
        return await _ended(task, seconds) and bool(task.result())

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
        echoed = state is EffectState.DONE and any(device.traits[trait].echoes for trait in wanted)
        after = {trait: now.get(trait, value if echoed else None) for trait, value in wanted.items()}
        if state is not EffectState.INTENDED:
            self._house.state.settled(device.id, wanted)
        return Ending(state, after, echoed, why)

    async def _confirm(self, device: Device, wanted: State, seconds: float, *, afresh: bool = False) -> Ending:
        """Wait until the device is where it was asked to be: pushes first, a look now and then.

        `afresh`: what is known of it is from before the command, so only a new look counts.
        """
        if not wanted:
            await self._look_for(device, seconds)
            return Ending(EffectState.DONE, self._news(device))
        if any(device.traits[trait].echoes for trait in wanted):
            if not self._is_so(device, wanted):
                await self._look_for(device, seconds)
            return self._ending(device, wanted, EffectState.DONE)
        so = await self._becomes_so(device, wanted, seconds, afresh)
        return self._ending(device, wanted, EffectState.DONE if so else EffectState.INTENDED)

    async def _becomes_so(self, device: Device, wanted: State, seconds: float, afresh: bool) -> bool:
        clock = asyncio.get_running_loop().time
        until, pause = clock() + seconds, 0.0
        known = not afresh
        while not (known and self._is_so(device, wanted)):
            left = until - clock()
            if left <= 0:
                return False
            if not known or not await self._house.state.changed(device.id, min(pause, left)):
                pause = min(max(pause * 2, 0.1), 2.0)
                looked = await self._look_for(device, max(0.0, until - clock()))
                known = known or looked
                if not known:
                    await self._house.state.changed(device.id, min(pause, max(0.0, until - clock())))
        return True

    def _news(self, device: Device) -> dict[str, Value]:
        now = self._now(device)
        return {trait: now[trait] for trait in ("title", "artist") if now.get(trait)}

    async def watch(self, effect: EffectRow) -> Ending:
        """Follow a slow change to its end: done, or failed with where it stands."""
        device = self._reach(effect.call)
        if device is None:
            return Ending(EffectState.FAILED, why="gone")
        wanted = self.wanted(effect.call, effect.before)
        ending = await self._confirm(device, wanted, self._patience.get(device.kind, OTHERS))
        if ending.state is not EffectState.INTENDED:
            return ending
        if self._house.state.unavailable_since(device.id) is None:
            return self._ending(device, wanted, EffectState.FAILED, "stuck")
        return self._ending(device, wanted, EffectState.UNKNOWN, "silent")

    # Doubt

    async def _doubt(self, effect: EffectRow, device: Device, why: str) -> Ending:
        """It may have happened: look; where it surely has not, once more."""
        found = await self.reconcile(effect, again=False)
        if found.state is not EffectState.INTENDED:
            return replace(found, why=why) if found.state is EffectState.UNKNOWN else found
        wanted = self.wanted(effect.call, effect.before)
        try:
            await self._send(device, effect.call, wanted)
        except (Refused, Unreachable) as error:
            return Ending(EffectState.FAILED, why=str(error))
        except Unsure as error:
            return Ending(EffectState.UNKNOWN, found.after, why=str(error))
        return await self._accepted(effect, device, wanted, afresh=False)

    async def reconcile(self, effect: EffectRow, *, again: bool = True) -> Ending:
        """After a crash or a time-out: read the device. So → done; not so → again where harmless; cannot tell → unknown.

        With `again` false the last step is left to the caller: INTENDED then means "not so, and reachable".
        """
        device = self._house.get(effect.call.device)
        if device is None or effect.effect is EffectClass.BLIND:
            return Ending(EffectState.UNKNOWN, why="blind")
        if not await self._look_again(device, self._back if again else 0.0):
            return Ending(EffectState.UNKNOWN, why="silent")
        happened = self._happened(effect, device)
        wanted = self.wanted(effect.call, effect.before)
        if happened is None:
            return self._ending(device, wanted, EffectState.UNKNOWN, "blind")
        if happened:
            return self._ending(device, wanted, EffectState.DONE)
        return await self.perform(effect) if again else self._ending(device, wanted, EffectState.INTENDED)

    def _happened(self, effect: EffectRow, device: Device) -> bool | None:
        """Has it, by what was just read? An askable verb: by the device's own list, count or track; None where it cannot tell.

        An idempotent verb that leaves no trace counts as not happened: repeating it is harmless.
        """
        call, now = effect.call, self._now(device)
        if call.tool == "set" or effect.effect is EffectClass.IDEMPOTENT:
            wanted = self.wanted(call, effect.before)
            return bool(wanted) and self._is_so(device, wanted)
        was, are = effect.before.get("items"), now.get("items")
        if isinstance(was, list) and isinstance(are, list) and "item" in call.args:
            return was.count(call.args["item"]) != are.count(call.args["item"])
        tell = [trait for trait in ("count", "items", "track", "title") if trait in effect.before and trait in now]
        return any(now[trait] != effect.before[trait] for trait in tell) if tell else None

    async def aclose(self) -> None:
        """Wait a moment for the hands to come back."""
        if self._running:
            await asyncio.wait(self._running, timeout=2.0)


async def _ended(task: "asyncio.Task[Any]", seconds: float) -> bool:
    """Wait for a task without ending it; False where it goes on."""
    done, _ = await asyncio.wait({task}, timeout=seconds)
    return bool(done)
