"""The web chat by its requests: what is acknowledged is kept, what is kept is shown, and only to whom it belongs."""

import asyncio
import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from small_dobby import Dobby
from visitor import Visitor

from dobby.bridge.door import Knocks
from dobby.bridge.live import Window
from dobby.bridge.web import Web
from dobby.clock import FixedClock
from dobby.events import Change, OutboxState, Role
from dobby.journal import outbox
from dobby.people import Person
from tests.patience import ENOUGH, until


async def replied(visitor: Visitor, count: int) -> list[dict[str, Any]]:
    """The conversation, once Dobby has said so many things."""

    async def look() -> list[dict[str, Any]]:
        lines = await visitor.lines()
        return lines if sum(not line["mine"] for line in lines) >= count else []

    found: list[dict[str, Any]] = await until(look)
    return found


async def hear_until(socket: Any, wanted: Any) -> dict[int, dict[str, Any]]:
    """Lines as a page collects them, until they are as wanted."""
    lines: dict[int, dict[str, Any]] = {}
    async with asyncio.timeout(ENOUGH):
        while not wanted(lines):
            lines |= {line["seq"]: line for line in (await socket.receive_json())["lines"]}
    return lines


# Saying


async def test_a_text_is_on_the_disk_before_it_is_acknowledged_and_is_answered(dobby: Dobby, anna: Visitor) -> None:
    status, said = await anna.say("one", "lamp on")
    assert (status, said["new"]) == (200, True)
    kept = await dobby.store.read(lambda db: db.execute("SELECT key, person FROM event").fetchall())
    assert kept == [("web:anna:one-----", "anna")]
    lines = await replied(anna, 1)
    assert [(line["mine"], line["text"]) for line in lines] == [(True, "lamp on"), (False, "Reading lamp: {'on': True} done.")]
    assert lines[0]["tick"] == "done"


async def test_the_same_id_again_is_the_same_text(dobby: Dobby, anna: Visitor) -> None:
    answers = await asyncio.gather(*(anna.say("same", "lamp on") for _ in range(5)))
    assert [status for status, _ in answers] == [200] * 5
    assert sum(body["new"] for _, body in answers) == 1
    await replied(anna, 1)
    assert len(await anna.lines()) == 2


async def test_two_people_may_use_the_same_id_and_see_only_their_own_lines(anna: Visitor, ben: Visitor) -> None:
    assert (await anna.say("mine", "hello from anna"))[1]["new"]
    assert (await ben.say("mine", "hello from ben"))[1]["new"]
    assert [line["text"] for line in await replied(anna, 1)] == ["hello from anna", "You said: hello from anna"]
    assert [line["text"] for line in await replied(ben, 1)] == ["hello from ben", "You said: hello from ben"]


async def test_all_pages_of_a_person_are_one_conversation(dobby: Dobby, anna: Visitor, stranger: Visitor) -> None:
    assert await stranger.log_in(await dobby.people.make_code("anna")) == 200
    async with stranger.live() as phone:
        await anna.say("desk", "lamp on")
        lines = await hear_until(phone, lambda lines: len(lines) == 2)
    assert [line["text"] for line in lines.values()] == ["lamp on", "Reading lamp: {'on': True} done."]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"id": "12345678", "text": "hi", "approved": True}, 422),
        ({"id": "12345678", "text": "hi", "person": "ben"}, 422),
        ({"id": "12345678"}, 422),
        ({"id": "12345678", "text": " \n "}, 422),
        ({"id": "12345678", "text": "a\0b"}, 422),
        ({"id": "12345678", "text": 5}, 422),
        ({"id": "../../etc", "text": "hi"}, 422),
        ({"id": "", "text": "hi"}, 422),
        ({"id": "12345678", "text": "hi", "refers": "x" * 201}, 422),
        (["id", "text"], 422),
        ({"id": "12345678", "text": "x" * 17_000}, 413),
    ],
)
async def test_what_is_no_text_is_refused_and_leaves_nothing(dobby: Dobby, anna: Visitor, body: Any, status: int) -> None:
    assert (await anna.post("/api/say", body))[0] == status
    assert await dobby.store.read(lambda db: db.execute("SELECT count(*) FROM event").fetchone()) == (0,)


async def test_a_body_that_is_no_json_is_refused(anna: Visitor) -> None:
    headers = {"Origin": anna.base, "Content-Type": "application/json"}
    for body in (b"", b"{", b"\xff\xfe", b"[" * 5000):
        async with anna.http.post(f"{anna.base}/api/say", data=body, headers=headers) as answer:
            assert answer.status == 400
    async with anna.http.post(
        f"{anna.base}/api/say", data={"id": "12345678", "text": "form"}, headers={"Origin": anna.base}
    ) as answer:
        assert answer.status == 415


async def test_a_full_disk_refuses_in_words_and_keeps_nothing(dobby: Dobby, anna: Visitor) -> None:
    await anna.say("first", "lamp on")
    await replied(anna, 1)
    await dobby.store.write(lambda db: db.execute(f"PRAGMA max_page_count = {db.execute('PRAGMA page_count').fetchone()[0]}"))
    status, body = await anna.say("full", "x" * 12_000)
    assert status == 507
    assert "no room left" in body["error"]
    await dobby.store.write(lambda db: db.execute("PRAGMA max_page_count = 1000000"))
    assert [line["text"] for line in await anna.lines() if line["mine"]] == ["lamp on"]
    assert (await anna.say("full", "lamp off"))[1]["new"]


async def test_before_the_butler_is_there_a_text_is_to_come_again(tmp_path: Path, dobby: Dobby, anna: Visitor) -> None:
    hear, dobby.web.hear = dobby.web.hear, type(dobby.web)(dobby.store, dobby.people, dobby.clock).hear
    assert (await anna.get("/health"))[1] == {"ok": True, "ready": False}
    assert (await anna.say("early", "lamp on"))[0] == 503
    dobby.web.hear = hear
    assert (await anna.say("early", "lamp on"))[1]["new"]


# Questions


async def test_a_quick_reply_answers_its_own_question_only(dobby: Dobby, anna: Visitor) -> None:
    await anna.say("front", "unlock the front door")
    front = (await replied(anna, 1))[-1]
    await anna.say("back", "unlock the back door")
    back = (await replied(anna, 2))[-1]
    assert front["options"] == back["options"] == ["Yes", "No"]
    await anna.say("yes", "Yes", refers=front["key"])
    await replied(anna, 3)
    state = dobby.house.state
    assert (state.of("door")["locked"], state.of("back")["locked"]) == (False, True)
    options = {line["key"]: line["options"] for line in await anna.lines() if not line["mine"]}
    assert options[front["key"]] == []
    assert options[back["key"]] == ["Yes", "No"]


async def test_a_button_of_a_question_that_is_gone_opens_nothing(dobby: Dobby, anna: Visitor) -> None:
    await anna.say("front", "unlock the front door")
    front = (await replied(anna, 1))[-1]
    await anna.say("no", "No", refers=front["key"])
    await replied(anna, 2)
    await anna.say("back", "unlock the back door")
    await replied(anna, 3)
    await anna.say("again", "Yes", refers=front["key"])
    await replied(anna, 4)
    assert dobby.house.state.of("door")["locked"] is True
    assert dobby.house.state.of("back")["locked"] is True


# Ticks


async def test_ticks_are_the_rows(dobby: Dobby, anna: Visitor) -> None:
    dobby.mind.hold.clear()
    async with anna.live() as page:
        await anna.say("one", "lamp on")
        lines = await hear_until(page, lambda lines: len(lines) == 1)
        assert [line["tick"] for line in lines.values()] == ["received"]
        dobby.mind.hold.set()
        await hear_until(page, lambda lines: any(line.get("tick") == "done" for line in lines.values()))
        await anna.say("two", "unlock the front door")
        await hear_until(page, lambda lines: any(line.get("tick") == "waiting" for line in lines.values()))
        await anna.say("three", "no")
        await hear_until(page, lambda lines: any(line.get("tick") == "refused" for line in lines.values()))
        await anna.say("four", "break")
        await hear_until(page, lambda lines: any(line.get("tick") == "failed" for line in lines.values()))


async def test_an_effect_that_failed_shows_on_the_text_that_asked_for_it(dobby: Dobby, anna: Visitor) -> None:
    await anna.say("one", "lamp on")
    await replied(anna, 1)
    for state, tick in (("failed", "failed"), ("unknown", "unknown"), ("intended", "under_way"), ("done", "done")):
        await dobby.store.write(lambda db, to=state: db.execute("UPDATE effect SET state = ?", (to,)))
        assert (await anna.lines())[0]["tick"] == tick


async def test_seen_messages_move_forward_and_never_back(dobby: Dobby, anna: Visitor, ben: Visitor) -> None:
    await anna.say("one", "lamp on")
    line = (await replied(anna, 1))[-1]
    await until(lambda: state_is(dobby, line["outbox"], OutboxState.SENT))
    assert (await ben.post("/api/seen", {"read": [line["outbox"]]}))[1] == {"moved": 0}
    assert (await anna.post("/api/seen", {"read": [line["outbox"], 10**15, -1, True, "x"]}))[1] == {"moved": 1}
    assert (await anna.post("/api/seen", {"delivered": [line["outbox"]]}))[1] == {"moved": 0}
    assert (await anna.lines())[-1]["state"] == "read"


async def state_is(dobby: Dobby, number: int, state: OutboxState) -> bool:
    row = await dobby.store.read(lambda db: outbox.get(db, number))
    return row is not None and row.state is state


# Showing


async def test_a_page_that_comes_back_hears_what_it_missed_once_and_in_order(anna: Visitor) -> None:
    for number in range(5):
        await anna.say(f"n{number}", f"text {number}")
    await replied(anna, 5)
    known = (await anna.lines())[3]["seq"]
    async with anna.live(after=known) as page:
        lines = await hear_until(page, lambda lines: len(lines) >= 10)
    assert list(lines) == sorted(lines)
    assert len(lines) == 10


async def test_no_line_is_missed_however_many_came_at_once(dobby: Dobby) -> None:
    window = Window("web/anna", 0)

    def fill(db: sqlite3.Connection) -> None:
        db.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1300) INSERT INTO outbox"
            " (key, lane, text, at, changed) SELECT 'k' || i, 'web/anna', 'text', 0, 0 FROM n"
        )
        db.execute("INSERT INTO line (lane, outbox) SELECT 'web/anna', id FROM outbox ORDER BY id")

    assert await dobby.store.read(window.look) == []
    await dobby.store.write(fill)
    seen = []
    while True:
        seen += [line.outbox for line in await dobby.store.read(window.look)]
        if not window.more:
            break
    assert sorted(set(seen)) == list(range(1, 1301))


async def test_earlier_lines_come_in_pages(anna: Visitor) -> None:
    for number in range(4):
        await anna.say(f"n{number}", f"text {number}")
    lines = await replied(anna, 4)
    page = await anna.lines(f"?before={lines[6]['seq']}&limit=3")
    assert [line["seq"] for line in page] == [line["seq"] for line in lines[3:6]]
    rest = await anna.lines(f"?after={lines[5]['seq']}")
    assert [line["seq"] for line in rest] == [line["seq"] for line in lines[6:]]
    assert (await anna.get("/api/lines?before=-1"))[0] == 422


async def test_a_restart_on_the_same_rows_shows_the_same_conversation(tmp_path: Path) -> None:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        async with Dobby(tmp_path) as first:
            visitor = Visitor(http, f"http://127.0.0.1:{first.web.port}")
            await visitor.log_in(await first.people.make_code("anna"))
            await visitor.say("one", "lamp on")
            before = await replied(visitor, 1)
            port = first.web.port
        async with Dobby(tmp_path, port=port):
            after = await visitor.lines()
            again = await visitor.say("one", "lamp on")
    assert [(line["seq"], line["text"]) for line in after] == [(line["seq"], line["text"]) for line in before]
    assert again[1]["new"] is False


async def test_pictures_go_only_to_whom_they_were_sent(tmp_path: Path, dobby: Dobby, anna: Visitor, ben: Visitor) -> None:
    picture, secret = tmp_path / "door.png", tmp_path / "secret.txt"
    picture.write_bytes(b"\x89PNG")
    secret.write_text("no")
    rows = [("p", str(picture)), ("s", str(secret)), ("g", str(tmp_path / "gone.png"))]
    await dobby.store.write(
        lambda db: [
            db.execute("INSERT INTO outbox (key, lane, text, picture, at, changed) VALUES (?, 'web/anna', '', ?, 0, 0)", row)
            for row in rows
        ]
    )
    async with anna.http.get(f"{anna.base}/api/picture/1") as answer:
        assert (answer.status, answer.content_type, await answer.read()) == (200, "image/png", b"\x89PNG")
    assert [(await anna.get(f"/api/picture/{number}"))[0] for number in (2, 3, 4)] == [404] * 3
    assert (await ben.get("/api/picture/1"))[0] == 404
    picture.with_suffix(".mp4").write_bytes(b"a film")
    async with anna.http.get(f"{anna.base}/api/clip/1") as answer:
        assert (answer.status, answer.content_type, await answer.read()) == (200, "video/mp4", b"a film")
    assert [(await anna.get(f"/api/clip/{number}"))[0] for number in (2, 3, 4)] == [404] * 3
    assert (await ben.get("/api/clip/1"))[0] == 404


async def test_a_thumb_at_ones_own_message_is_an_event(dobby: Dobby, anna: Visitor, ben: Visitor) -> None:
    await anna.say("one", "lamp on")
    number = (await replied(anna, 1))[-1]["outbox"]
    said = {"outbox": number, "reaction": "👎"}
    assert [(await who.post("/api/react", said))[0] for who in (anna, ben)] == [200, 404]
    assert (await anna.post("/api/react", {"outbox": 2**60, "reaction": "👎"}))[0] == 404
    assert (await anna.post("/api/react", {"outbox": "1", "reaction": "👎"}))[0] == 422
    kept = await dobby.store.read(lambda db: db.execute("SELECT body FROM event WHERE kind = 'reaction'").fetchall())
    assert len(kept) == 1 and f"outbox:{number}" in kept[0][0]


async def test_the_drawing_is_what_the_house_is_at_this_moment(dobby: Dobby, anna: Visitor) -> None:
    async with asyncio.timeout(ENOUGH):
        while not (drawn := (await anna.get("/api/house"))[1])["looked"]:
            await asyncio.sleep(0.02)
    assert [room["name"] for room in drawn["rooms"]] == ["Study", "Hall"]
    assert drawn["rooms"][0]["things"][0] == {
        **{"name": "Reading lamp", "kind": "light"},
        **{"state": "off", "on": False, "away": False},
    }
    found = {host["address"]: host["what"] for host in drawn["network"]}
    assert found == {"192.168.1.9": "Hue bridge", "192.168.1.20": "Sonos speaker", "192.168.1.77": ""}
    dobby.house.state.hear(Change("lamp", {"on": True}))
    assert (await anna.get("/api/house"))[1]["rooms"][0]["things"][0]["on"] is True
    dobby.house.state.hear(Change("lamp", available=False))
    assert (await anna.get("/api/house"))[1]["rooms"][0]["things"][0]["away"] is True


async def test_a_guest_is_drawn_nothing_and_a_child_no_network(dobby: Dobby, anna: Visitor) -> None:
    guest, child = [await dobby.web.draw(Person(role.value, "X", role)) for role in (Role.GUEST, Role.CHILD)]
    assert guest == {"rooms": [], "network": [], "looked": 0.0}
    assert child["rooms"] and not child["network"]


# The door

PRIVATE = ("/api/me", "/api/lines", "/api/live", "/api/house", "/api/picture/1", "/api/clip/1")


@pytest.mark.parametrize("session", [None, "", "garbage", "x" * 4000, "dobby", "'; DROP TABLE login; --", "\udcff\udcfe"])
async def test_a_missing_empty_or_garbage_session_gets_nothing(stranger: Visitor, session: str | None) -> None:
    headers = {} if session is None else {"Cookie": f"dobby_session={session}"}
    for path in PRIVATE:
        assert (await stranger.get(path, **headers))[0] == 401, path
    for path in ("/api/say", "/api/seen"):
        assert (await stranger.post(path, {}, **headers))[0] == 401, path
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await stranger.live(**headers)
    assert refused.value.status == 401


async def test_headers_that_claim_to_be_local_let_nobody_in(stranger: Visitor) -> None:
    claims = {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "Tailscale-User-Login": "anna", "Remote-User": "anna"}
    assert (await stranger.get("/api/me", **claims))[0] == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.", "", "evil.example:80", "[", "dobby.test@evil.example"]
)
async def test_other_hosts_are_refused(anna: Visitor, host: str) -> None:
    for path in ("/", "/health", "/api/lines"):
        assert (await anna.get(path, Host=host))[0] == 403, path
    assert (await anna.post("/api/say", {"id": "12345678", "text": "hi"}, Host=host, Origin=f"http://{host}"))[0] == 403


async def test_a_named_host_is_welcome(anna: Visitor, dobby: Dobby) -> None:
    host = f"DOBBY.test:{dobby.web.port}"
    assert (await anna.get("/", Host=host))[0] == 200
    assert (await anna.post("/login", {"code": "x"}, Host=host, Origin=f"http://dobby.test:{dobby.web.port}"))[0] == 401


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "", "http://127.0.0.1", "http://127.0.0.1:1", "file://", "http://localhost:{port}"]
)
async def test_other_origins_are_refused(anna: Visitor, dobby: Dobby, origin: str) -> None:
    origin = origin.format(port=dobby.web.port)
    code = await dobby.people.make_code("anna")
    for path, body in (
        ("/api/say", {"id": "12345678", "text": "hi"}),
        ("/api/seen", {}),
        ("/login", {"code": code}),
        ("/logout", {}),
    ):
        assert (await anna.post(path, body, Origin=origin))[0] == 403, path
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await anna.live(Origin=origin)
    assert refused.value.status == 403
    assert await anna.lines() == []


async def test_what_changes_something_must_say_where_it_comes_from(anna: Visitor) -> None:
    async with anna.http.post(f"{anna.base}/api/say", json={"id": "12345678", "text": "hi"}) as answer:
        assert answer.status == 403
    assert (await anna.get("/api/lines", **{"Sec-Fetch-Site": "cross-site"}))[0] == 403
    assert (await anna.get("/", **{"Sec-Fetch-Site": "cross-site"}))[0] == 200


async def test_no_answer_allows_another_origin_and_all_carry_the_headers(anna: Visitor) -> None:
    for path in ("/", "/chat.js", "/style.css", "/health", "/api/me", "/nowhere"):
        async with anna.http.get(anna.base + path) as answer:
            assert not [name for name in answer.headers if name.lower().startswith("access-control")]
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
            assert "unsafe" not in answer.headers["Content-Security-Policy"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert "aiohttp" not in answer.headers["Server"]


async def test_only_the_pages_own_files_are_served(stranger: Visitor) -> None:
    for path in ("/../store.py", "/%2e%2e/store.py", "/web/index.html", "/index.html", "/journal.db"):
        assert (await stranger.get(path))[0] == 404, path


async def test_the_page_has_no_script_of_its_own_and_nothing_from_elsewhere(stranger: Visitor) -> None:
    _, page = await stranger.get("/")
    assert "<script>" not in page
    assert "style=" not in page
    assert "http:" not in page
    assert "https:" not in page


async def test_a_code_is_good_once_and_its_cookie_is_out_of_reach_of_scripts(dobby: Dobby, stranger: Visitor) -> None:
    code = await dobby.people.make_code("anna")
    async with stranger.http.post(f"{stranger.base}/login", json={"code": code}, headers={"Origin": stranger.base}) as answer:
        cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert (await stranger.get("/api/me"))[1] == {
        "person": {"id": "anna", "name": "Anna", "language": ""},
        "hints": list(dobby.web.hints),
    }
    assert await stranger.log_in(code) == 401


async def test_whoever_logs_in_can_be_told_things(dobby: Dobby, anna: Visitor) -> None:
    assert dobby.people.lanes("anna") == ["web/anna"]


async def test_a_session_that_ends_counts_at_once_on_open_pages_too(dobby: Dobby, anna: Visitor, ben: Visitor) -> None:
    async with anna.live() as page, ben.live() as other:
        await page.receive_json()
        await other.receive_json()
        await dobby.people.end_sessions("anna")
        message = await asyncio.wait_for(page.receive(), ENOUGH)
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 4401)
        await ben.say("still", "here")
        await hear_until(other, lambda lines: len(lines) == 2)
    assert (await anna.say("late", "lamp on"))[0] == 401


async def test_logging_out_ends_this_session_and_no_other(dobby: Dobby, anna: Visitor, stranger: Visitor) -> None:
    await stranger.log_in(await dobby.people.make_code("anna"))
    cookie = {"Cookie": "; ".join(f"{cookie.key}={cookie.value}" for cookie in anna.http.cookie_jar)}
    assert (await anna.post("/logout", {}))[0] == 200
    assert (await anna.get("/api/me"))[0] == 401
    assert (await anna.get("/api/me", **cookie))[0] == 401
    assert (await stranger.get("/api/me"))[0] == 200


async def test_guessing_codes_is_slowed_down(dobby: Dobby, stranger: Visitor) -> None:
    tried = [await stranger.log_in(f"AAAAA-AAAA{number}") for number in range(8)]
    assert tried[:4] == [401] * 4
    assert tried[-1] == 429
    assert await stranger.log_in(await dobby.people.make_code("anna")) == 429


def test_wrong_codes_cost_longer_and_longer_and_many_hands_make_no_light_work() -> None:
    clock, knocks = FixedClock(1000.0), Knocks()
    waits = []
    for _ in range(10):
        while (pause := knocks.wait("one", clock.now())) > 0:
            waits.append(round(pause))
            clock.set(clock.now() + pause)
    assert waits == [1, 2, 4, 8, 16]
    for number in range(200):
        knocks.wait(f"peer {number}", clock.now())
    assert knocks.wait("another", clock.now()) > 500
    clock.set(clock.now() + 700)
    assert knocks.wait("another", clock.now()) == 0


async def test_health_tells_no_secrets(stranger: Visitor) -> None:
    assert await stranger.get("/health") == (200, {"ok": True, "ready": True})


async def test_a_page_that_reads_nothing_holds_up_nobody(dobby: Dobby, anna: Visitor) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", dobby.web.port)
    cookie = "; ".join(f"{cookie.key}={cookie.value}" for cookie in anna.http.cookie_jar)
    lines = ["GET /api/live HTTP/1.1", f"Host: 127.0.0.1:{dobby.web.port}", f"Origin: {anna.base}", f"Cookie: {cookie}"]
    lines += ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {'A' * 22}=="]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    assert b"101" in await reader.readline()
    for number in range(30):
        await anna.say(f"n{number:07}", "x" * 3000)
    await replied(anna, 30)
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_fuzzed_requests_break_nothing(dobby: Dobby, anna: Visitor) -> None:
    pieces: list[Any] = [None, True, 0, -1, 1e308, "", "\ud83d", "\x00", [], {}, [[]], {"text": {}}, "a" * 9000]
    for path in ("/api/say", "/api/seen", "/login"):
        for piece in pieces:
            for body in (
                piece,
                {"id": piece, "text": piece},
                {"id": "12345678", "text": "\ud83d"},
                {"read": piece},
                {"read": [piece]},
                {"code": piece},
            ):
                raw = json.dumps(body).encode()
                headers = {"Origin": anna.base, "Content-Type": "application/json"}
                async with anna.http.post(anna.base + path, data=raw, headers=headers) as answer:
                    assert answer.status in (200, 400, 401, 413, 422, 429), (path, body)
    assert await anna.lines() == []


@pytest.mark.parametrize(("hosts", "url"), [(("dobby.local", "10.0.0.2"), "http://dobby.local:81"), ((), "http://127.0.0.1:81")])
async def test_a_page_that_listens_everywhere_is_named_by_what_a_phone_can_call(
    dobby: Dobby, hosts: tuple[str, ...], url: str
) -> None:
    assert Web(dobby.store, dobby.people, FixedClock(0), host="0.0.0.0", port=81, hosts=hosts).url == url
