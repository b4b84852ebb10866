"""The page in a real browser: a person logs in, writes, presses, reloads, and loses nothing when Dobby is killed."""

import asyncio
import re
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, ViewportSize, async_playwright, expect

from tests.patience import ENOUGH

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no chromium at {CHROMIUM}"),
]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1180, "height": 800}
SMALL_DOBBY = Path(__file__).with_name("small_dobby.py")


@dataclass
class Served:
    """A small Dobby in a process of its own, always on the same port and rows."""

    folder: Path
    port: int
    link: str = ""
    process: asyncio.subprocess.Process | None = field(default=None, repr=False)

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(SMALL_DOBBY), str(self.folder), str(self.port)), stdout=asyncio.subprocess.PIPE
        )
        assert self.process.stdout is not None
        self.link = (await asyncio.wait_for(self.process.stdout.readline(), ENOUGH)).decode().strip()
        assert self.link

    async def kill(self) -> None:
        """As a power cut would end it."""
        if self.process is not None:
            self.process.kill()
            await self.process.wait()
            self.process = None


@pytest_asyncio.fixture(loop_scope="module")
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    dobby = Served(tmp_path, port)
    await dobby.start()
    yield dobby
    await dobby.kill()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=[*FLAGS, "--no-first-run"])
        yield opened
        await opened.close()


Visit = Callable[..., Awaitable[Page]]


@pytest_asyncio.fixture(loop_scope="module")
async def visit(browser: Browser, served: Served) -> AsyncIterator[Visit]:
    """Opens a page of its own, logged in by the link; whatever a page complains of fails the test."""
    complaints: list[str] = []

    async def open_page(viewport: ViewportSize = PHONE, *, log_in: bool = True, scheme: str = "light", zone: str = "UTC") -> Page:
        context = await browser.new_context(viewport=viewport, color_scheme=scheme, locale="en-GB", timezone_id=zone)  # type: ignore[arg-type]
        page = await context.new_page()
        page.set_default_timeout(8000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.on("console", lambda message: complaints.append(message.text) if "Content Security" in message.text else None)
        if log_in:
            await page.goto(served.link)
            await expect(page.locator("#text")).to_be_visible()
            await expect(page.locator("#lines")).to_have_attribute("aria-busy", "false")
        return page

    yield open_page
    for context in browser.contexts:
        await context.close()
    assert complaints == []


async def write(page: Page, text: str) -> None:
    await page.locator("#text").fill(text)
    await page.locator("#text").press("Enter")


async def said(page: Page) -> list[str]:
    return await page.locator("#lines .text").all_inner_texts()


async def settle(page: Page, count: int) -> list[str]:
    await expect(page.locator("#lines .line")).to_have_count(count)
    return await said(page)


async def test_a_code_in_the_link_logs_in_and_leaves_no_trace(visit: Visit, served: Served) -> None:
    page = await visit()
    assert page.url == f"http://127.0.0.1:{served.port}/"
    assert await page.evaluate("document.cookie") == ""
    await expect(page.locator("#presence")).to_have_text("at your service")
    await page.go_back()
    assert "code" not in page.url


async def test_a_code_typed_in_logs_in_and_a_wrong_one_says_so(visit: Visit, served: Served) -> None:
    page = await visit(log_in=False)
    await page.goto(f"http://127.0.0.1:{served.port}/")
    await page.locator("#code").fill("WRONG-CODE2")
    await page.locator("#knock button").click()
    await expect(page.locator("#wrong")).to_contain_text("wrong, used or too old")
    await expect(page.locator("#chat")).to_be_hidden()
    await page.locator("#code").fill(served.link.partition("=")[2].lower())
    await page.locator("#code").press("Enter")
    await expect(page.locator("#text")).to_be_visible()


async def test_a_text_gets_its_reply_and_its_ticks_and_a_reload_keeps_all(visit: Visit) -> None:
    page = await visit()
    await expect(page.locator("#hints button")).to_have_count(3)
    await page.locator("#hints button").first.click()
    assert await settle(page, 2) == ["lamp on", "Reading lamp: {'on': True} done."]
    await expect(page.locator(".mine .tick")).to_have_attribute("aria-label", "dealt with")
    await expect(page.locator("#empty")).to_be_hidden()
    await expect(page.locator(".day")).to_have_text("Today")
    await page.locator("#text").fill("half a thou")
    await page.reload()
    assert await settle(page, 2) == ["lamp on", "Reading lamp: {'on': True} done."]
    await expect(page.locator("#text")).to_have_value("half a thou")


async def test_enter_sends_and_shift_enter_makes_a_line(visit: Visit) -> None:
    page = await visit()
    box = page.locator("#text")
    before = (await box.bounding_box() or {})["height"]
    await box.press_sequentially("one")
    await box.press("Shift+Enter")
    await box.press_sequentially("two")
    assert (await box.bounding_box() or {})["height"] > before
    await box.press("Enter")
    assert await settle(page, 2) == ["one\ntwo", "You said: one\ntwo"]
    assert (await box.bounding_box() or {})["height"] == before
    await box.press("Enter")
    await asyncio.sleep(0.2)
    assert len(await said(page)) == 2


@pytest.mark.parametrize(("label", "tick", "words"), [("Yes", "dealt with", "'locked': False"), ("No", "not done", "Left it.")])
async def test_a_question_has_buttons_that_go_when_it_is_answered(visit: Visit, label: str, tick: str, words: str) -> None:
    page = await visit()
    await write(page, "unlock the front door")
    await expect(page.locator(".options button")).to_have_text(["Yes", "No"])
    await expect(page.locator(".mine .tick")).to_have_attribute("aria-label", "waiting for an answer")
    await page.get_by_role("button", name=label, exact=True).click()
    lines = await settle(page, 4)
    assert lines[2] == label
    assert words in lines[3]
    await expect(page.locator(".options")).to_have_count(0)
    await expect(page.locator(".mine .tick").first).to_have_attribute("aria-label", tick)


async def test_while_he_thinks_it_shows(visit: Visit) -> None:
    page = await visit()
    await write(page, "think")
    await expect(page.locator("#typing")).to_be_visible()
    await expect(page.locator("#presence")).to_have_text("working on it…")
    await settle(page, 2)
    await expect(page.locator("#typing")).to_be_hidden()
    await expect(page.locator("#presence")).to_have_text("at your service")


async def test_a_second_device_shows_the_same_conversation_as_it_happens(visit: Visit, served: Served) -> None:
    phone = await visit()
    desk = await phone.context.new_page()
    await desk.goto(f"http://127.0.0.1:{served.port}/")
    await write(phone, "hello")
    assert await settle(desk, 2) == ["hello", "You said: hello"]
    await write(desk, "light")
    await expect(phone.locator(".options button")).to_have_count(2)
    await phone.get_by_role("button", name="Reading lamp").click()
    await expect(desk.locator(".options")).to_have_count(0)
    assert await settle(phone, 6) == await settle(desk, 6)


async def test_what_looks_like_markup_is_shown_as_text(visit: Visit) -> None:
    page = await visit()
    await write(page, "<script>alert(1)</script><img src=x onerror=alert(2)> [x](javascript:alert(3))")
    await settle(page, 2)
    await write(page, "evil on")
    await settle(page, 4)
    await write(page, "light")
    await expect(page.locator(".options button")).to_have_text(["Reading lamp", "<b>Evil</b>"])
    assert await page.locator("#lines script, #lines img, #lines b, #lines a").count() == 0
    assert "<img src=x onerror=alert(1)>: {'on': True} done." in await said(page)


async def test_killed_and_back_nothing_is_lost_and_nothing_doubled(visit: Visit, served: Served) -> None:
    page = await visit()
    await write(page, "before")
    await settle(page, 2)
    await served.kill()
    for text in ("first", "second", "third"):
        await write(page, text)
    await expect(page.locator("#banner")).to_be_visible()
    await expect(page.locator("#presence")).to_have_text("reconnecting…")
    await expect(page.locator(".mine .tick").last).to_have_attribute("aria-label", "not yet at Dobby")
    await served.start()
    lines = await settle(page, 8)
    assert [text for text in lines if not text.startswith("You")] == ["before", "first", "second", "third"]
    assert len(lines) == len(set(lines))
    await expect(page.locator("#banner")).to_be_hidden()
    await page.reload()
    assert await settle(page, 8) == lines


async def test_an_unsent_text_outlives_the_page_itself(visit: Visit, served: Served) -> None:
    page = await visit()
    context = page.context
    await served.kill()
    await write(page, "keep me")
    await expect(page.locator(".mine .tick")).to_have_attribute("aria-label", "not yet at Dobby")
    await page.close()
    await served.start()
    page = await context.new_page()
    await page.goto(f"http://127.0.0.1:{served.port}/")
    assert await settle(page, 2) == ["keep me", "You said: keep me"]
    assert await page.evaluate("Object.keys(localStorage).filter((key) => key.includes('unsent'))") == []


async def test_a_lost_answer_to_a_text_does_not_double_it(visit: Visit) -> None:
    page = await visit()
    lost = 0

    async def lose_first(route):  # type: ignore[no-untyped-def]
        nonlocal lost
        lost += 1
        if lost == 1:
            await route.fetch()  # it did arrive
            await route.abort()
        else:
            await route.continue_()

    await page.route("**/api/say", lose_first)
    await write(page, "once")
    await settle(page, 2)
    await asyncio.sleep(1.0)
    assert await said(page) == ["once", "You said: once"]
    await expect(page.locator(".mine .tick")).to_have_attribute("aria-label", "dealt with")


async def test_a_full_disk_is_told_under_the_text_and_it_can_go_again(visit: Visit) -> None:
    page = await visit()
    words = "There is no room left on the disk that holds journal.db. Free some space; nothing was half-written."
    full = {"status": 507, "json": {"error": words}}
    await page.route("**/api/say", lambda route: route.fulfill(**full))
    await write(page, "too much")
    await expect(page.locator(".trouble p")).to_have_text(words)
    await expect(page.locator(".mine .tick")).to_have_attribute("aria-label", "failed")
    await page.reload()
    await expect(page.locator(".trouble p")).to_have_text(words)
    await page.unroute("**/api/say")
    await page.get_by_role("button", name="Try again").click()
    assert await settle(page, 2) == ["too much", "You said: too much"]


async def test_logging_out_asks_first_and_ends_the_session(visit: Visit) -> None:
    page = await visit()
    await page.get_by_role("button", name="Log out").click()
    await page.get_by_role("button", name="Stay").click()
    await expect(page.locator("#text")).to_be_visible()
    await page.get_by_role("button", name="Log out").click()
    await page.locator("dialog button[value=out]").click()
    await expect(page.locator("#code")).to_be_visible()
    assert await page.evaluate("fetch('/api/me').then((answer) => answer.status)") == 401


async def test_earlier_lines_come_when_one_scrolls_up_and_the_place_is_kept(visit: Visit, served: Served) -> None:
    page = await visit()
    async with aiohttp.ClientSession(cookies={c["name"]: c["value"] for c in await page.context.cookies()}) as http:  # type: ignore[typeddict-item]
        base = f"http://127.0.0.1:{served.port}"
        for number in range(60):
            body = {"id": f"number{number:03}", "text": f"text {number}"}
            async with http.post(f"{base}/api/say", json=body, headers={"Origin": base}) as answer:
                assert answer.status == 200
            await expect(page.locator("#lines .line").nth(2 * number + 1)).to_be_attached(timeout=ENOUGH * 1000)  # answered
    await page.reload()
    await expect(page.locator("#lines .line")).to_have_count(60)
    assert await page.locator("#scroll").evaluate("(box) => box.scrollHeight - box.scrollTop - box.clientHeight < 2")
    await page.locator("#scroll").evaluate("(box) => box.scrollTo(0, 100)")
    await expect(page.locator("#lines .line")).to_have_count(120)
    assert await page.locator("#scroll").evaluate("(box) => box.scrollTop > 1000")
    await page.locator("#down").click()
    await expect(page.locator("#down")).to_be_hidden()
    assert re.match(r"(You said: )?text \d+|one_moment", (await said(page))[-1])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
async def test_it_fits_the_screen(visit: Visit, viewport: ViewportSize, scheme: str, tmp_path: Path) -> None:
    page = await visit(viewport, scheme=scheme)
    await page.screenshot(path=tmp_path / "empty.png")
    for count, text in enumerate(("lamp on", "a rather long story " * 9, "W" * 120, "unlock the front door"), 1):
        await write(page, text)
        await settle(page, 2 * count)
    await expect(page.locator(".options button")).to_have_count(2)
    wide = await page.evaluate("document.documentElement.scrollWidth")
    assert wide <= viewport["width"]
    for target in ("#send", "#leave", ".options button >> nth=0", "#text"):
        box = await page.locator(target).bounding_box()
        assert box is not None
        assert box["height"] >= 40
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= viewport["width"]
        assert box["y"] + box["height"] <= viewport["height"]
    await page.screenshot(path=tmp_path / "talk.png")


async def test_everything_can_be_reached_by_keyboard(visit: Visit) -> None:
    page = await visit(DESK)
    await expect(page.locator("#text")).to_be_focused()
    await page.keyboard.type("unlock the front door")
    await page.keyboard.press("Enter")
    await expect(page.locator(".options button")).to_have_count(2)
    await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("Shift+Tab")
    await expect(page.get_by_role("button", name="Yes", exact=True)).to_be_focused()
    await page.keyboard.press("Enter")
    await settle(page, 4)
    assert await page.locator("#lines").get_attribute("role") == "log"


async def test_the_house_and_its_network_are_drawn_and_drawn_again_when_they_turn(visit: Visit, served: Served) -> None:
    page = await visit()
    await page.locator("#map").click()
    house = page.get_by_role("list", name="The house")
    await expect(house.get_by_role("listitem")).to_have_count(2)
    study = house.get_by_role("listitem", name=re.compile("^Study"))
    await expect(study).to_have_attribute("aria-label", "Study: Reading lamp off; <img src=x onerror=alert(1)> off")
    await expect(study.locator(".dot.on")).to_have_count(0)
    other = await page.context.new_page()
    await other.goto(page.url)
    await write(other, "lamp on")
    await page.bring_to_front()
    await expect(study.locator(".dot.on")).to_have_count(1)  # live, though nobody touched this page
    await expect(study).to_have_attribute("aria-label", re.compile("Reading lamp on"))
    network = page.get_by_role("list", name="On the network")
    await expect(network.get_by_role("listitem")).to_have_count(3)
    await expect(network.get_by_role("listitem").nth(0)).to_have_attribute("aria-label", "192.168.1.9: Hue bridge. not taken in")
    width = await page.evaluate("document.querySelector('.picture').scrollWidth <= innerWidth")
    assert width, "nothing may stand out at the side of a phone"
    await page.keyboard.press("Escape")
    await expect(page.locator("#drawing")).to_be_hidden()
    await expect(page.locator("#text")).to_be_visible()


async def test_the_drawing_fits_a_desk_by_night(visit: Visit, served: Served) -> None:
    page = await visit(DESK, scheme="dark")
    await page.evaluate("document.querySelector('#map').click()")
    await expect(page.get_by_role("list", name="The house").get_by_role("listitem")).to_have_count(2)
    colors = await page.evaluate(
        "[getComputedStyle(document.querySelector('.room')).fill, getComputedStyle(document.querySelector('.thing')).fill]"
    )
    assert colors[0] != colors[1]
    cards = [await card.bounding_box() for card in await page.locator(".room").all()]
    assert cards[0] and cards[1] and cards[0]["y"] == cards[1]["y"], "side by side where there is room"
