"""`dobby demo`: a dollhouse and a Dobby who runs it, in one go, with nothing to configure.

It does not know how either works.
"""

import asyncio
import contextlib
import logging
import socket
import sqlite3
import sys
import tempfile
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from dobby.alive import Dobby
from dobby.cli.line import Line
from dobby.cli.login import show_login
from dobby.cli.signals import stop_on_signals
from dobby.config import Config, parse_config
from dobby.dollhouse.house import Dollhouse, open_dollhouse
from dobby.dollhouse.transcript import README, families, hold, lines
from dobby.errors import DobbyError
from dobby.events import Role, State
from dobby.house.lists import OWN
from dobby.house.model import Room
from dobby.journal import household
from dobby.live import live
from dobby.logs import start_logging
from dobby.people import Person
from dobby.vault import VaultFile
from dobby.vision.detect import seeing

FINDING = 90.0  # seconds the demo waits for its devices: a small computer that is busy takes its time


@click.command()
@click.option("--port", default=8321, show_default=True, help="The chat page's port; the next free one is taken.")
@click.option(
    "--transcript",
    is_flag=False,
    flag_value=str(README),
    type=click.Path(path_type=Path),
    help="Hold the README's conversation (or FILE's, in the same form), check the house, and end.",
)
@click.option("--state", "folder", type=click.Path(path_type=Path), help="Keep the rows here (a folder of its own by default).")
@click.option("--verbose", is_flag=True, help="Log everything.")
def demo(port: int, transcript: Path | None, folder: Path | None, verbose: bool) -> None:
    """Start a dollhouse and Dobby; Ctrl-C ends both.

    The devices are simulated, the protocols are real: a Sonos household (SOAP, events), an MQTT broker with
    lights, blinds, a lock, an alarm and more, LIFX and Hue lamps, and whatever else has a dollhouse, all on loopback.
    """
    start_logging(verbose)
    if not verbose:
        logging.getLogger().setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="dobby-demo-") as temporary:
        sys.exit(asyncio.run(_demo(port, transcript, folder or Path(temporary))))


async def _demo(port: int, transcript: Path | None, folder: Path) -> int:
    script, named = (lines(transcript), families(transcript)) if transcript else ([], [])
    stop = stop_on_signals()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    house = await open_dollhouse(named, port=0)
    if not script and not _wanting():
        house.parts |= (await open_dollhouse(["camera"], port=0)).parts
    guard = socket.socket(socket.AF_UNIX)
    phone = None if script or find_spec("twilio") is None else await _phone(folder)
    try:
        config = _config(house, phone, 0 if script else _free(port, guard))
        ready: asyncio.Future[Dobby] = asyncio.get_running_loop().create_future()
        async with asyncio.TaskGroup() as group:
            shown = group.create_task(_show(ready, house, phone, stop, script))
            await live(config, folder, stop, ready=ready.set_result)
            shown.cancel()
    finally:
        guard.close()
        if phone is not None:
            await phone.aclose()
        await house.aclose()
    if shown.cancelled():
        return 1 if script else 0
    for words in shown.result():
        click.echo(f"NOT SO: {words}", err=True)
    return 1 if shown.result() else 0


async def _show(
    ready: "asyncio.Future[Dobby]", house: Dollhouse, phone: Any, stop: asyncio.Event, script: list[dict[str, Any]]
) -> list[str]:
    """Once he is there: hold the conversation and end, or invite the visitor and let them. Returns what was not so."""
    dobby = await ready
    await _name_rooms(dobby)
    await _found(dobby, house)
    if not script:
        await _invite(dobby, phone)
        await _begin(dobby, house)
        return []
    async with Line(dobby.folder) as line:
        wrong = await hold(house, lambda number, text: line.ask("say", id=number, text=text), line.said(), click.echo, script)
    stop.set()
    return wrong


def _words() -> dict[str, Any]:
    """The rooms of the dollhouse, and what a visitor is told."""
    return tomllib.loads(README.with_name("demo.toml").read_text("utf-8"))


def _wanting() -> bool:
    """What it takes to look through a camera is not all installed."""
    return not all(map(find_spec, ("av", "cv2", "onvif", "rapidocr")))


def _config(house: Dollhouse, phone: Any, port: int) -> Config:
    """Led to this dollhouse and no other: by multicast he would find the neighbours' on this machine, and real speakers."""
    ways = {"whatsapp": phone.config} if phone else {}
    eyes = {"detector": _detector()}
    return parse_config({"web": {"port": port}, "discovery": {"on": False}, "skills": house.skills, "eyes": eyes, **ways}, "demo")


def _detector() -> str:
    """Where the weights of the default are not there yet, a demo is content with motion and lettering."""
    try:
        seeing().find_weights("yolox-nano")
    except (DobbyError, ImportError):
        return "motion"
    return "yolox-nano"


async def _phone(folder: Path) -> Any:
    """Twilio's fake with somebody's phone behind it; Dobby is given the token that it wants."""
    phone: Any = (await open_dollhouse(["whatsapp"])).parts["whatsapp"]
    await VaultFile(folder / "vault.json").part("twilio").put("token", phone.token)
    return phone


async def _begin(dobby: Dobby, house: Dollhouse) -> None:
    """The cameras' day begins when the eyes are open, however slow the machine: who came before would be no news."""
    street: Any = house.parts.get("camera")
    cameras = [device for device in dobby.house if street is not None and device.driver == street.name]
    for camera in cameras:
        seen: State = {}
        while "sees" not in seen and dobby.desk.hands.peek is not None:
            await asyncio.sleep(1)
            with contextlib.suppress(DobbyError, TimeoutError):
                seen = await dobby.desk.hands.peek(camera)
    if cameras:
        street.at(0.0)


async def _ring(dobby: Dobby, phone: Any) -> None:
    """The phone is Robin's, who lives here too and may say yes; it knows where Dobby listens, as soon as he does."""
    await dobby.people.keep(Person("robin", "Robin", Role.OWNER))
    await dobby.people.reach("robin", "whatsapp", phone.number)
    way: Any = next(way for way in dobby.remote if way.name == "whatsapp")
    while not way.door.port:
        await asyncio.sleep(0.05)
    await phone.ring(way.door.port)


def _free(port: int, guard: socket.socket) -> int:
    """This port, or the next one that nobody listens on; `guard` keeps a demo that starts beside this one from taking it too."""
    for candidate in range(port, port + 50):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
                guard.bind(f"\0dobby-demo-{candidate}")
            except OSError:
                continue
        return candidate
    return 0


async def _name_rooms(dobby: Dobby) -> None:
    rooms = [Room(room["name"], room["floor"], tuple(room.get("aliases", ()))) for room in _words()["rooms"]]

    def keep(db: sqlite3.Connection) -> None:
        for room in rooms:
            household.keep_room(db, room)

    await dobby.store.write(keep)
    for room in rooms:
        dobby.house.add_room(room)


async def _found(dobby: Dobby, house: Dollhouse) -> None:
    """Wait until each family has been looked for and heard from once; what an earlier demo left in the folder is out of reach."""
    state = dobby.house.state
    try:
        async with asyncio.timeout(FINDING):
            for name in house.parts:
                await dobby.families[name].looked.wait()
                while not dobby.families[name].devices:
                    await asyncio.sleep(0.05)  # whoever did not answer at once is looked for again
            while any(one.traits and not (state.of(one.id) or state.unavailable_since(one.id)) for one in dobby.house):
                await asyncio.sleep(0.05)
    except (TimeoutError, KeyError) as error:
        trouble = " ".join([*dobby.broken.values(), *(family.trouble for family in dobby.families.values())])
        raise DobbyError(f"The dollhouse was not found in {FINDING:.0f} seconds. {trouble}") from error


async def _invite(dobby: Dobby, phone: Any) -> None:
    if dobby.web is None:
        raise DobbyError(dobby.broken["web"])
    words, eyes = _words(), "no_eyes" if _wanting() else "eyes"
    hints = dobby.web.hints = (*words["try"], *words[eyes]["try"])
    rooms = len({device.room for device in dobby.house if device.room})
    found = sum(device.driver != OWN for device in dobby.house)
    click.echo(f"\nDobby has found {found} devices in {rooms} rooms.\n")
    show_login(dobby.web.url, await dobby.people.make_code("owner"))
    click.echo("\nTry:\n" + "\n".join(f"  {words}" for words in hints))
    click.echo(words[eyes]["say"])
    click.echo(f"Robin, who lives here too, writes by WhatsApp. The phone: {phone.url}" if phone else words["no_phone"])
    click.echo("\nCtrl-C ends it.")
    if phone:
        await _ring(dobby, phone)
