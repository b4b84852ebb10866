"""History in figures and pictures: what was used, what it cost, why so much, what uses power now, the course of a thing."""

import asyncio
import math
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from dobby import Device, Manner, Refused
from dobby.act import Hands
from dobby.butler.album import Album
from dobby.butler.tools import NarrowHome, Toolbox
from dobby.events import Change, Value
from dobby.house import lists
from dobby.mind.route import Routed
from dobby.paths import shipped
from dobby.skill.load import load_skill
from tests.fakes import NOON, living
from tests.patience import ENOUGH
from tests.stories.family import BERLIN, Family

SKILL = load_skill(shipped("skills") / "history")
chart, meter, pictures, words_of = (
    import_module(f"dobby_skill_history.{name}") for name in ("chart", "meter", "pictures", "words")
)
HOUSE = Path(__file__).with_name("metered.yaml")
NOW = "2026-03-18T20:00"  # a Wednesday
HOUR, DAY = 3600.0, 86400.0
PNG = b"\x89PNG"


class Vault:
    """What a skill keeps, in memory."""

    def __init__(self) -> None:
        self.rows: dict[str, str] = {}

    def get(self, name: str) -> str | None:
        return self.rows.get(name)

    async def put(self, name: str, secret: str) -> None:
        self.rows[name] = secret

    async def drop(self, name: str) -> None:
        self.rows.pop(name, None)


class Metered(Family):
    """A house with meters that has lived for some weeks; `say` a text to it."""

    def __init__(self, folder: Path, **more: Any) -> None:
        super().__init__(HOUSE, now="2026-02-20T00:00", **more)
        self.vault = Vault()
        toolbox = Toolbox({"history": SKILL}, {}, lambda name: self.vault)
        toolbox.desk = self.desk
        drivers = {"virtual": self.virtual, lists.OWN: lists.Lists(self.store, self.clock)}
        self.hands = self.desk.hands = Hands(self.house, drivers, toolbox, settle=0.2)
        self.desk.levels |= {name: tool.level for name, tool in SKILL.tools.items()}
        self.desk.mind = Routed(self.mind, SKILL.tools.values)
        self.desk.album = Album(folder)

    async def live_on(self, until: str) -> None:
        """Hours pass: the house uses what it uses, and on the 17th the dryer ran all evening."""
        counters = {"house": 5000.0, "washer": 100.0, "dryer": 200.0, "fridge": 300.0}
        end = datetime.fromisoformat(until).replace(tzinfo=BERLIN).timestamp()
        while self.clock.now() + 1800 <= end:
            self.clock.advance(1800)
            at = datetime.fromtimestamp(self.clock.now(), BERLIN)
            evening = 18 <= at.hour < 21
            much = 1.2 if at.date().isoformat() == "2026-03-17" and 17 <= at.hour < 22 else 0.1 if evening else 0.0
            step = {"fridge": 0.05, "washer": 0.4 if at.weekday() == 5 and 10 <= at.hour < 12 else 0.0, "dryer": much}
            step["house"] = sum(step.values()) + 0.1
            counters = {name: value + step[name] for name, value in counters.items()}
            for name, value in counters.items():
                self.tell(f"sensor.{name}_energy", value=round(value, 4))
                self.tell(f"sensor.{name}_power", value=round(step[name] * 2000, 1))
            self.tell("sensor.bedroom_temperature", value=round(19 + 2 * math.sin((at.hour - 9) / 24 * 2 * math.pi), 1))
            self.tell("climate.living", mode="heat" if at.hour in (6, 7, 18, 19, 20) else "off", temperature=20 + at.hour / 12)
            await self.history.flush()
        self.clock.advance(end - self.clock.now())

    def tell(self, device: str, **state: Value) -> None:
        self.house.state.hear(Change(device, state, available=True))

    async def ask(self, text: str, who: str = "anna") -> tuple[str, str]:
        """The one answer, and its picture's path."""
        before = len(self.bridge.sent)
        await self.hear(who, text)
        async with asyncio.timeout(ENOUGH):  # a picture is drawn by a process of its own
            while len(self.bridge.sent) == before:
                await asyncio.sleep(0.01)
        await self.rest()
        [row] = [one for one in self.bridge.sent[before:] if one.reply.lane == f"web/{who}"]
        return row.reply.text, row.reply.picture


@asynccontextmanager
async def lived(folder: Path, until: str = NOW, **more: Any) -> AsyncIterator[Metered]:
    home = Metered(folder, **more)
    await home.furnish()
    await home.live_on(until)
    async with living(home):
        yield home
    await home.history.aclose()
    await home.store.aclose()


@pytest_asyncio.fixture
async def home(tmp_path: Path) -> AsyncIterator[Metered]:
    async with lived(tmp_path) as home:
        yield home


def size(picture: str) -> tuple[int, int]:
    """A PNG's width and height, from its first chunk."""
    data = Path(picture).read_bytes()
    assert data.startswith(PNG)
    width, height = struct.unpack(">II", data[16:24])
    return width, height


WHOLE = "Of that, Dryer 12 kWh, Fridge 2.4 kWh and things without a meter of their own 4.8 kWh."
SPENT = "The house used 19.2 kWh (€6.14) yesterday."


async def test_what_was_used_and_what_it_cost(home: Metered) -> None:
    assert await home.ask("how much electricity did we use yesterday?") == (f"The house used 19.2 kWh yesterday. {WHOLE}", "")
    assert "Nobody told me" in (await home.ask("what does electricity cost?"))[0]
    assert (await home.ask("electricity costs 32 cents"))[0] == "A kWh costs €0.32 from now on."
    assert (await home.ask("how much electricity did we use yesterday"))[0].startswith(SPENT)
    text, picture = await home.ask("how much power did the washer use last week")
    assert text == "Washer used 1.6 kWh (€0.51) from 9 Mar to 15 Mar." and size(picture) == (1188, 770)
    assert (await home.ask("what did the dryer cost last week?"))[0] == "Dryer used 4.2 kWh (€1.34) from 9 Mar to 15 Mar."
    assert (await home.ask("how much power did the fridge use on monday?"))[0] == "Fridge used 2.4 kWh (€0.77) on 16 Mar."
    assert (await home.ask("how much power did the kitchen light use yesterday?"))[1] == ""
    assert (await home.ask("electricity costs a lot"))[0].startswith("I could not read a price in “a lot”")


async def test_why_it_was_so_high_names_what_used_more_than_usual(home: Metered) -> None:
    text, _ = await home.ask("why was electricity so high yesterday?")
    assert text == (
        "The house used 19.2 kWh yesterday. Usual is 8 kWh; that is 139 % more. The extra came mostly from Dryer (12 kWh "
        "instead of 0.6 kWh). The busiest hours were 17:00 to 19:00, with 5.4 kWh."
    )
    text, _ = await home.ask("why is electricity so high?")
    assert "It was not high: 7.3 kWh is usual." in text  # today, beside the same hours of the days before
    text, _ = await home.ask("why was electricity so high last month?")
    assert "What is usual I cannot tell yet" in text and "Known" not in text
    assert "Dryer 22.1 kWh" in (await home.ask("what used the most power this month?"))[0]


async def test_what_uses_power_now_and_what_cannot_be_heard(home: Metered) -> None:
    text, _ = await home.ask("what's using power right now?")
    assert text == (
        "Right now 300 W: Dryer 200 W and Fridge 100 W. "
        "The meter of the house says 500 W, so 200 W go where nothing else measures."
    )
    home.house.state.hear(Change("sensor.dryer_power", available=False))
    text, _ = await home.ask("what is using power now")
    assert text.startswith("Right now 100 W: Fridge 100 W.") and text.endswith("No word from Dryer.")


async def test_a_picture_of_a_day_with_what_is_not_known_left_out(home: Metered) -> None:
    text, picture = await home.ask("show me the temperature in the bedroom today")
    assert text == "Bedroom Temperature today so far: 17 to 21 °C, last 19.5 °C."
    assert size(picture) == (1188, 770)
    words = words_of.Words.of(Manner("en", "us", BERLIN, home.clock.now()))
    device = home.house.get("sensor.bedroom_temperature")
    assert device is not None
    midnight = datetime(2026, 3, 18, tzinfo=BERLIN).timestamp()
    home.house.state.hear(Change(device.id, available=False))
    home.clock.advance(2 * HOUR)
    home.tell(device.id, value=18.0)
    narrow = NarrowHome(home.desk, SKILL, home.vault, looks=True)
    course = await pictures.course(narrow, device, "value", midnight, home.clock.now(), words)
    assert course.told == "Bedroom Temperature today so far: 62.6 to 69.8 °F, last 64.4 °F." and course.unit == "°F"
    assert course.gaps == [(home.clock.now() - 2 * HOUR, home.clock.now())]
    assert [value for at, value in course.points if value is None] == [None]  # one break, and nothing drawn through it
    page = pictures.over_time([course], midnight, home.clock.now(), words)
    assert page["zone"] == "Europe/Berlin" and page["unit"] == "°F" and page["twelve"]


async def test_states_and_several_lines_in_one_picture(home: Metered) -> None:
    text, picture = await home.ask("show me a graph of the heater for yesterday")
    assert text == "Living Room Thermostat yesterday: 20 to 21.9 °C, last 21.9 °C." and picture
    home.by_hand("light.kitchen", on=True)
    home.clock.advance(2 * HOUR)
    home.by_hand("light.kitchen", on=False)
    text, picture = await home.ask("show me the kitchen light today")
    assert text == "Kitchen Light today so far: on for 2 h." and picture
    text, picture = await home.ask("show me the power of the washer and the dryer today")
    assert text == "Washer Power today so far: 0 W all the time. Dryer Power today so far: 0 to 200 W, last 200 W." and picture


async def test_last_months_energy_is_bars_in_the_words_of_who_asks(tmp_path: Path) -> None:
    async with lived(tmp_path, until="2026-03-02T12:00", language="de") as home:
        await home.ask("Der Strom kostet 0,3517 Euro")
        text, picture = await home.ask("Stromverbrauch letzten Monat")
        assert text.startswith("Das Haus hat im Februar 73,2 kWh (25,76 €) verbraucht. Davon: Fridge 21,6 kWh")
        assert "Bekannt erst seit 20. Feb." in text and size(picture) == (1188, 770)
        text, _ = await home.ask("Warum war der Strom gestern so hoch?")
        assert "Üblich sind" in text or "Das war nicht viel" in text
        assert (await home.ask("Was verbraucht gerade Strom?"))[0].startswith("Gerade 100 W: Fridge 100 W.")
        text, picture = await home.ask("Zeig mir die Temperatur im Schlafzimmer heute")
        assert text == "Bedroom Temperature heute bis jetzt: 17 bis 20,4 °C, zuletzt 20,4 °C." and picture
        assert (await home.ask("Was kostet der Strom?"))[0] == "Eine kWh kostet 0,3517 €."


async def test_guests_do_not_learn_what_was(home: Metered) -> None:
    text, picture = await home.ask("show me the kitchen light yesterday", who="gus")
    assert not picture and "kitchen" not in text.casefold()


async def test_a_question_about_now_or_nothing_measured_stays_what_it_was(home: Metered) -> None:
    for text in ("show me the temperature in the bedroom", "what's the power of the washer?", "turn on the kitchen light"):
        assert (await home.ask(text))[1] == ""
    assert home.now("light.kitchen")["on"] is True


# The arithmetic


def test_a_counter_survives_resets_bad_readings_and_silence() -> None:
    counted = list(meter._counted([(0, 10.0), (10, 12.0), (20, 11.9), (30, 0.5), (40, 1.5)], [], 1.0))
    assert [round(kwh, 3) for _, kwh in counted] == [0, 2, 2, 2.5, 3.5]
    assert list(meter._counted([(0, 1.0), (9 * HOUR, 2.0)], [], 1.0))[1] == (
        8 * HOUR,
        0.0,
    )  # it stood still, as it could be heard
    assert len(list(meter._counted([(0, 1.0), (9 * HOUR, 2.0)], [(HOUR, 2 * HOUR)], 1.0))) == 2
    run = meter.Run([(0.0, 0.0), (100.0, 10.0)], [(50.0, 100.0)], 200.0)
    assert run.between(0, 100) == meter.Amount(10.0, 0.5)  # it ran on unheard: counted, and known to be an estimate
    assert run.between(0, 50) == meter.Amount(5.0, 1.0)
    assert run.between(-100, -50) == meter.Amount(None, 0.0)
    assert run.between(-100, 100).known == 0.25
    watts = list(meter._summed([(0, 1000.0), (3600, 500.0)], [(1800, 3600)], 1.0, 7200))
    assert [round(kwh, 3) for _, kwh in watts] == [0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("said", "language", "zone", "price"),
    [
        ("32 cents per kWh", "en", "Europe/Berlin", (0.32, "€")),
        ("0,32 Euro", "de", "Europe/Berlin", (0.32, "€")),
        ("31,5 ct", "de", "Europe/Berlin", (0.315, "€")),
        ("$0.15", "en", "America/New_York", (0.15, "$")),
        ("15 cents", "en", "America/New_York", (0.15, "$")),
        ("24 pence", "en", "Europe/London", (0.24, "£")),
        ("27 Rappen", "de", "Europe/Zurich", (0.27, "CHF")),
        ("28", "en", "Europe/Berlin", (0.28, "€")),
        ("a lot", "en", "Europe/Berlin", None),
        ("0 cents", "en", "Europe/Berlin", None),
        ("1000 euros", "en", "Europe/Berlin", None),
    ],
)
def test_a_price_is_read_as_people_say_it(said: str, language: str, zone: str, price: tuple[float, str] | None) -> None:
    assert words_of.price_in(said, Manner(language, "metric", ZoneInfo(zone))) == price


def test_the_hours_of_a_day_on_which_the_clock_changes() -> None:
    days = [datetime(2026, 3, 28, tzinfo=BERLIN) + timedelta(days=n) for n in (0, 1, 2)]
    hours = pictures.edges(days[1], days[2], "hour")
    assert len(hours) == 24  # 23 hours have 24 edges
    assert [at.day for at in pictures.edges(days[0], days[2], "day")] == [28, 29, 30]


async def test_a_picture_that_cannot_be_drawn_is_said_and_a_long_name_harms_nothing() -> None:
    with pytest.raises(Refused, match="could not be drawn"):
        await chart.png({"kind": "bars"})
    words = words_of.Words.of(Manner("en", "metric", BERLIN, NOON))
    rows = [pictures.Course(Device("d", "x", "sensor", "$N_{a}me\\$" * 30), "", True, "°C", [(NOON - 60, 1.0), (NOON, None)])]
    assert (await chart.png(pictures.over_time(rows, NOON - 60, NOON, words))).startswith(PNG)
