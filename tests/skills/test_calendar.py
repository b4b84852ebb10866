"""The calendar skill against a server of ICS files on loopback, and files: repeats, zones, whole days, and bad calendars."""

import asyncio
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator
from importlib import import_module
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dobby import Change, Device, DobbyError, Refused, Unreachable, Unsure
from dobby.dollhouse.alone import as_config
from dobby.dollhouse.house import Dollhouse
from dobby.paths import shipped
from dobby.skill.load import load_skill
from tests.fakes import Empty, HandClock, nobody
from tests.patience import until

load_skill(shipped("skills") / "calendar")
skill = import_module("dobby_skill_calendar")
dollhouse = import_module("dobby_skill_calendar.dollhouse")

NOON = 1_772_449_800.0  # Monday, 2026-03-02 12:10 in Berlin
HOUR = 3600.0


@pytest.fixture
def clock() -> HandClock:
    return HandClock(NOON)


@pytest.fixture
async def server(clock: HandClock) -> AsyncIterator[Any]:
    server = await dollhouse.start(clock.now)
    yield server
    await server.aclose()


@pytest.fixture
async def calendars(server: Any, clock: HandClock) -> AsyncIterator[Any]:
    driver = skill.Calendars(beat=0.02, now=clock.now, patience=0.5)
    driver.settings = {**server.config, "zone": ZoneInfo("Europe/Berlin")}
    yield driver
    await driver.aclose()


async def adopted(calendars: Any) -> dict[str, Device]:
    found = [finding async for finding in calendars.seek(())]
    devices = [device for finding in found async for device in calendars.adopt(finding, nobody, Empty())]
    return {device.name: device for device in devices}


async def entries(calendars: Any, name: str = "Bins") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (await calendars.read((await adopted(calendars))[name]))["entries"]
    return rows


# Which


async def test_what_the_config_names_is_a_device_and_its_link_stays_out_of_it(calendars: Any, server: Any) -> None:
    devices = await adopted(calendars)
    assert {name: device.kind for name, device in devices.items()} == {"Family": "calendar", "Bins": "calendar"}
    assert set(devices["Bins"].traits) == {"value", "entries"}
    assert "private" not in repr(devices)
    assert "127.0.0.1" not in repr(devices)
    assert not server.asked


async def test_nothing_is_looked_for_unless_it_is_named(calendars: Any) -> None:
    calendars.settings = {}
    assert await adopted(calendars) == {}
    calendars.settings = {"links": ["https://example.org/a.ics"]}
    with pytest.raises(Refused, match="a table of names"):
        await adopted(calendars)


async def test_at_another_link_it_is_the_same(calendars: Any, server: Any) -> None:
    before = await adopted(calendars)
    calendars.settings = {"links": {name: f"{link}?token=new" for name, link in server.config["links"].items()}}
    assert await adopted(calendars) == before
    assert (await calendars.read(before["Family"]))["value"] == "Dentist"


async def test_one_that_is_no_longer_named_is_gone(calendars: Any) -> None:
    bins = (await adopted(calendars))["Bins"]
    calendars.settings = {}
    with pytest.raises(Unreachable, match="no longer"):
        await calendars.read(bins)


# What it says


async def test_appointments_are_told_in_the_houses_zone_and_days_as_days(calendars: Any) -> None:
    state = await calendars.read((await adopted(calendars))["Family"])
    assert state["value"] == "Dentist"
    assert state["entries"] == [
        {"title": "Dentist", "starts": "2026-03-03T15:00+01:00", "ends": "2026-03-03T16:00+01:00"},
        {"title": "Half-term holidays", "starts": "2026-03-22", "ends": "2026-03-29"},
    ]


async def test_of_what_repeats_the_near_times_and_then_only_the_next(calendars: Any, server: Any) -> None:
    assert [row["starts"] for row in await entries(calendars)] == ["2026-03-04"], "14 days on comes after the near ones"
    server.calendars["bins"][0]["RRULE"] = "FREQ=DAILY"
    server.calendars["bins"][0]["EXDATE"] = ";VALUE=DATE:20260305"
    calendars.settings = {**server.config, "zone": ZoneInfo("Europe/Berlin")}
    calendars._reader = None
    days = [row["starts"] for row in await entries(calendars)]
    assert days == ["2026-03-04", *(f"2026-03-{day:02}" for day in range(6, 17))]


async def test_a_time_keeps_its_place_on_the_clock_when_summer_time_comes(calendars: Any, server: Any) -> None:
    server.calendars["bins"] = [
        {"SUMMARY": "Choir", "DTSTART": ";TZID=Europe/Berlin:20260302T190000", "RRULE": "FREQ=MONTHLY;BYDAY=1MO"},
        {"SUMMARY": "Call", "UID": "b", "DTSTART": ";TZID=America/New_York:20260310T090000"},
        {"SUMMARY": "Floating", "UID": "c", "DTSTART": ":20260401T080000", "DURATION": "PT1H"},
    ]
    assert [(row["title"], row["starts"]) for row in await entries(calendars)] == [
        ("Choir", "2026-03-02T19:00+01:00"),
        ("Call", "2026-03-10T14:00+01:00"),
        ("Floating", "2026-04-01T08:00+02:00"),
    ]


async def test_what_is_over_or_cancelled_is_not_told(calendars: Any, server: Any) -> None:
    server.calendars["bins"] = [
        {"SUMMARY": "Over", "DTSTART": ":20260302T090000Z", "DTEND": ":20260302T100000Z"},
        {"SUMMARY": "Off", "UID": "b", "DTSTART": ":20260303T090000Z", "STATUS": "CANCELLED"},
        {"SUMMARY": "Under way", "UID": "c", "DTSTART": ":20260302T100000Z", "DTEND": ":20260302T130000Z"},
    ]
    assert [row["title"] for row in await entries(calendars)] == ["Under way"]


async def test_titles_from_outside_are_one_short_clean_line(calendars: Any, server: Any) -> None:
    server.calendars["bins"] = [
        {"SUMMARY": "A\x1b[31m\\nb \u202ec" + "x" * 900, "DTSTART": ":20260303T090000Z", "LOCATION": "here\\nnow"}
    ]
    (row,) = await entries(calendars)
    assert row["title"].isprintable()
    assert len(row["title"]) == 120
    assert row["place"] == "here now"


async def test_a_file_is_read_too(calendars: Any, server: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.ics"
    calendars.settings = {"links": {"Mine": str(path)}}
    with pytest.raises(Unreachable, match="cannot be read"):
        await entries(calendars, "Mine")
    path.write_bytes(dollhouse.text(server.calendars["bins"]))
    assert [row["title"] for row in await entries(calendars, "Mine")] == ["Bins: recycling"]
    assert not server.asked


async def test_it_cannot_be_written(calendars: Any) -> None:
    with pytest.raises(Refused):
        await calendars.set((await adopted(calendars))["Bins"], {"value": "x"})


# Manners, and bad days


async def test_it_is_asked_every_half_hour_and_only_for_news(calendars: Any, server: Any, clock: HandClock) -> None:
    for _ in range(5):
        await entries(calendars)
        clock.advance(300)
    assert len(server.asked) == 1
    clock.advance(HOUR)
    await entries(calendars)
    assert len(server.asked) == 2
    assert server.asked[1]["If-None-Match"].startswith('"')
    assert server.asked[1]["User-Agent"].startswith("Dobby/")


@pytest.mark.parametrize("trouble", [503, 404, "drop", "silence", "huge"])
async def test_trouble_is_a_clear_error_that_tells_no_link_and_the_last_one_stays(
    calendars: Any, server: Any, clock: HandClock, trouble: Any
) -> None:
    server.trouble = trouble
    with pytest.raises(DobbyError, match="calendar") as caught:
        await entries(calendars)
    assert "private" not in str(caught.value)
    server.trouble = ""
    clock.advance(400)
    assert await entries(calendars)
    server.trouble = trouble
    clock.advance(HOUR)
    assert await entries(calendars)
    clock.advance(8 * 24 * HOUR)
    with pytest.raises(DobbyError):
        await entries(calendars)


EVENT = b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:a\r\nSUMMARY:x\r\n%s\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"


@pytest.mark.parametrize("raw", [b"<html>sign in</html>", b"\x00" * 999, b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n", b"\xff\xfe"])
async def test_what_is_no_calendar_is_said(calendars: Any, server: Any, raw: bytes) -> None:
    server.raw = raw
    with pytest.raises(Unsure, match="no calendar"):
        await entries(calendars)


@pytest.mark.parametrize(
    "lines",
    [
        b"DTSTART:20260303T090000Z\r\nRRULE:FREQ=SECONDLY",
        b"DTSTART:20260303T090000Z\r\nRRULE:FREQ=DAILY;BYHOUR=1,2,3,4,5,6;BYMINUTE=1,2,3,4,5,6",
        b"DTSTART:tomorrow",
        b"DTSTAMP:20260303T090000Z",
    ],
)
async def test_an_entry_that_makes_no_sense_is_left_out_or_said(calendars: Any, server: Any, lines: bytes) -> None:
    server.raw = EVENT % lines
    try:
        assert await entries(calendars) == []
    except Unsure as error:
        assert "calendar" in str(error)


@pytest.mark.parametrize(
    "onward", ["http://10.0.0.1/a.ics", "http://[::1]/a.ics", "http://localhost:1/a.ics", "file:///etc/passwd", "http:///"]
)
async def test_nobody_sends_us_into_the_house(calendars: Any, server: Any, onward: str) -> None:
    server.onward = onward
    with pytest.raises((Refused, Unreachable)):
        await entries(calendars)


async def test_going_round_in_circles_ends(calendars: Any, server: Any) -> None:
    server.onward = server.link("bins")
    with pytest.raises(Refused, match="circles"):
        await entries(calendars)
    assert len(server.asked) == 3


async def test_gone_is_said_once_and_back_by_itself(calendars: Any, server: Any, clock: HandClock) -> None:
    bins = (await adopted(calendars))["Bins"]
    await server.aclose()
    heard: list[Change] = []

    async def listen() -> None:
        async for change in calendars.hear([bins]):
            heard.append(change)

    task = asyncio.create_task(listen())
    await until(lambda: heard)
    await asyncio.sleep(0.1)  # several looks in vain
    await server.open()
    clock.advance(HOUR)
    await until(lambda: len(heard) == 2)
    assert [change.available for change in heard] == [False, True]
    assert heard[1].state["value"] == "Bins: recycling"
    server.calendars["bins"][0]["SUMMARY"] = "Bins: paper"
    clock.advance(HOUR)
    await until(lambda: heard[-1].state.get("value") == "Bins: paper")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_dollhouse_says_how_a_config_finds_it(server: Any) -> None:
    tables = tomllib.loads(as_config(Dollhouse({"calendar": server})))
    assert tables["skills"]["calendar"]["links"]["Bins"] == server.link("bins")


async def test_the_library_is_imported_only_when_a_calendar_is_read() -> None:
    code = "import sys, pathlib; from dobby.skill.load import load_skill; load_skill(pathlib.Path(sys.argv[1])).driver(); "
    code += "print('icalendar' in sys.modules, 'aiohttp' in sys.modules)"
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code, str(shipped("skills") / "calendar")], capture_output=True, text=True
    )
    assert done.stdout.split() == ["False", "False"], done.stderr
