"""Logs carry ids, not bodies: nothing that somebody said, no secret and no telephone number gets into them."""

import asyncio
import json
import logging
import signal
from pathlib import Path

import aiohttp
import pytest

from dobby.dollhouse.house import open_dollhouse
from dobby.logs import Redacting, redact
from tests.bridge.visitor import Visitor
from tests.patience import until
from tests.running import SHIPPED, ask, write_skill
from tests.test_daemon import QUIET, Process, eventually, run


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("mqtt://anna:CANARY@10.0.0.2:1883 is gone", "mqtt://…@10.0.0.2:1883 is gone"),
        ("{'password': 'CANARY with spaces', 'user': 'anna'}", "{'password': …, 'user': 'anna'}"),
        ('{"access_token": "CANARY", "kind": 1}', '{"access_token": …, "kind": 1}'),
        ("Authorization: Bearer CANARY", "Authorization: …"),
        ("Authorization: Basic CANARY=", "Authorization: …"),
        ("https://page/#code=CANARY", "https://page/#code=…"),
        ("api_key=CANARY&page=2", "api_key=…&page=2"),
        ("passphrase = CANARY", "passphrase = …"),
        ("Cookie: dobby_session=CANARY", "Cookie: …"),
        ("whatsapp:+49 170 5550199 wrote", "whatsapp:+… wrote"),
        ("from +1 (415) 555-0199.", "from +1 (415) 555-0199.".replace("+1 (415) 555-0199", "+…")),
        ("call 0049 170 5550199", "call +…"),
        ("Event 1750000001 of 2026-11-22 12:30:45,123 took 17.5 ms", None),
        ("sonos.RINCON_000E58A0B1C201400 at 10.0.0.12:1400", None),
        ("The session has ended; the code is old", None),
    ],
)
def test_what_nobody_should_read_is_blanked_and_the_rest_stays(text: str, left: str | None) -> None:
    assert redact(text) == (text if left is None else left)


def test_arguments_and_tracebacks_are_redacted_too() -> None:
    try:
        raise ValueError("token=CANARY")
    except ValueError as error:
        record = logging.LogRecord(
            "x", logging.ERROR, "f", 1, "at %s", ("http://a:CANARY@b",), (ValueError, error, error.__traceback__)
        )
    for journald in (False, True):
        text = Redacting(journald).format(record)
        assert "CANARY" not in text
        assert "ValueError: token=…" in text


def test_for_journald_every_line_of_a_record_belongs_to_it() -> None:
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "one\ntwo", (), None)
    assert Redacting(True).format(record) == "<3>x: one\n  two"


SAID = (
    "turn on the canaryword lamp",
    "my number is +49 170 5550199, call me canaryword",
    "canaryword " * 400,
    "unlock the front door",
    "no canaryword",
    "break canaryword",
    "kitchen ceiling light on",
)


async def test_a_real_run_with_everything_logged_tells_no_secret_and_no_word_of_anybody(tmp_path: Path) -> None:
    write_skill(
        tmp_path / "mine",
        "sick",
        '''
        from dobby import act

        @act(says=["break {what}"])
        async def crash(what: str) -> str:
            """Crash."""
            raise ZeroDivisionError("boo")
        ''',
    )
    house = await open_dollhouse(["mqtt"], port=0, login=("butler", "CanaryPassword7"))
    address = house.skills["mqtt"]["at"][0].rpartition("@")[2].removeprefix("mqtt://")
    config = QUIET.replace("on = false", "on = true\nport = 0", 1)
    off = json.dumps([name for name in SHIPPED if name != "mqtt"])
    config += f'[skills]\noff = {off}\nfolders = ["mine"]\n[skills.mqtt]\nat = ["mqtt://butler:CanaryPassword7@{address}"]\n'
    (tmp_path / "dobby.toml").write_text(config)
    process = Process(tmp_path, "run", "--config", "dobby.toml", "--state", "state", "--verbose")
    try:
        await asyncio.to_thread(process.wait_for, "Dobby is ready")
        await asyncio.to_thread(eventually, tmp_path, "unlock the front door", "?")
        code, session, token = await _visit(tmp_path)
        answers = await ask(tmp_path / "state", *SAID)
        assert "?" in answers[3]
        await until(lambda: "light" in answers[-1])
        shown = await asyncio.to_thread(run, tmp_path, "doctor", "--config", "dobby.toml", "--state", "state")
        log = process.said
        assert await asyncio.to_thread(process.end) == 0
    finally:
        process.end(signal.SIGKILL)
        await house.aclose()
    assert "ZeroDivisionError: boo" in log
    for canary in ("canaryword", "5550199", "CanaryPassword7", code, code.replace("-", ""), session, token):
        assert canary.casefold() not in log.casefold(), canary
    assert "CanaryPassword7" not in shown


async def _visit(folder: Path) -> tuple[str, str, str]:
    """Log in at the page and say something, let a tablet say something; the code, the session's secret and the token."""
    told = await asyncio.to_thread(run, folder, "login", "--state", "state")
    url, _, code = told.split()[1].partition("/#code=")
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        visitor = Visitor(http, url)
        assert await visitor.log_in(code) in (200, 204)
        assert (await visitor.say("first", "hello canaryword"))[0] in (200, 202)
        [session] = [cookie.value for cookie in http.cookie_jar]
        token = (await asyncio.to_thread(run, folder, "token", "Hall tablet", "--state", "state")).split()[0]
        headers = {"Authorization": f"Bearer {token}"}
        async with http.post(f"{url}/say", json={"text": "hello canaryword"}, headers=headers) as answer:
            assert answer.status == 200
        assert "Hall tablet  for owner" in await asyncio.to_thread(run, folder, "token", "--state", "state")
        await asyncio.to_thread(run, folder, "token", "Hall tablet", "--end", "--state", "state")
        async with http.post(f"{url}/say", json={"text": "hello"}, headers=headers) as answer:
            assert answer.status == 401
    return code, session, token
