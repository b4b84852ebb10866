"""Questions and pictures on the page, in chromium: what is asked elsewhere is there too, answered once, then gone everywhere."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect
from rigs import PHONE, WhatsAppRig, whatsapp
from small_dobby import Dobby

from dobby.events import Change, Reply, Role, Source
from dobby.journal import outbox
from dobby.mind.plan import Plan
from dobby.people import Person
from dobby.skill.driver import Ask
from tests.patience import ENOUGH, until

CHROMIUM = Path("/usr/bin/chromium")
WHO = f"whatsapp:{PHONE}"
pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(120),
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no chromium at {CHROMIUM}"),
]


@pytest.fixture
async def rig(dobby: Dobby) -> AsyncIterator[WhatsAppRig]:
    async with whatsapp(dobby, buttons="HX" + "2" * 32) as made:
        yield made


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        yield await playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"])


async def visit(browser: Browser, dobby: Dobby, person: str, width: int = 390) -> Page:
    context = await browser.new_context(viewport={"width": width, "height": 844}, locale="en-GB")
    page = await context.new_page()
    page.set_default_timeout(ENOUGH * 1000)
    await page.goto(await dobby.link(person))
    await expect(page.locator("#lines")).to_have_attribute("aria-busy", "false", timeout=ENOUGH * 1000)
    return page


async def ask(rig: WhatsAppRig) -> None:
    count = rig.dobby.desk_questions()
    await rig.twilio.write(WHO, "unlock the front door")
    await until(lambda: rig.dobby.desk_questions() == count + 1 and bool(rig.twilio.shown(WHO)))


async def test_what_is_asked_by_whatsapp_is_answered_on_the_page_and_gone_everywhere(
    dobby: Dobby, rig: WhatsAppRig, browser: Browser
) -> None:
    anna, second, ben = [await visit(browser, dobby, who, width) for who, width in (("anna", 390), ("anna", 1180), ("ben", 390))]
    await ask(rig)
    for page in (anna, second):
        await expect(page.locator("#asked article p")).to_have_text("Unlock the front door?")
    await expect(ben.locator("#asked")).to_be_hidden()
    assert await anna.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await anna.locator("#asked").get_by_role("button", name="Yes").click()
    await until(lambda: dobby.house.state.of("door").get("locked") is False)
    for page in (anna, second):
        await expect(page.locator("#asked")).to_be_hidden()
        await expect(page.locator("#lines .text").last).to_contain_text("Front door")
    await until(lambda: "Front door" in rig.twilio.shown(WHO)[-1].body)
    dobby.house.state.hear(Change("door", {"locked": True}))
    question = next(one for one in rig.twilio.shown(WHO) if one.buttons)
    await rig.twilio.write(WHO, "Yes", ButtonText="Yes", OriginalRepliedMessageSid=question.sid)
    await until(lambda: dobby.butler.idle)
    assert dobby.house.state.of("door").get("locked") is True, "the old button opens nothing"


async def test_answered_by_whatsapp_it_is_gone_from_the_page(dobby: Dobby, rig: WhatsAppRig, browser: Browser) -> None:
    await ask(rig)
    page = await visit(browser, dobby, "anna")
    await expect(page.locator("#asked article")).to_have_count(1)
    await rig.twilio.write(WHO, "no")
    await expect(page.locator("#asked")).to_be_hidden()
    assert dobby.house.state.of("door").get("locked") is True


async def test_nobody_answers_for_another_not_even_with_the_number(dobby: Dobby, rig: WhatsAppRig, browser: Browser) -> None:
    await dobby.people.keep(Person("eva", "Eva", Role.OWNER))
    await ask(rig)
    (number,) = dobby.butler.desk.questions
    eva = await visit(browser, dobby, "eva")
    await expect(eva.locator("#asked")).to_be_hidden()
    body = {"id": "12345678", "text": "yes", "refers": f"question:{number}"}
    assert (await eva.request.post(f"http://127.0.0.1:{dobby.web.port}/api/say", data=body)).status in (200, 403)
    await until(lambda: dobby.butler.idle)
    assert dobby.desk_questions() == 1 and dobby.house.state.of("door").get("locked") is True


async def test_an_approval_in_the_chat_itself_and_a_picture(dobby: Dobby, browser: Browser, tmp_path: Path) -> None:
    page = await visit(browser, dobby, "anna")
    await page.locator("#text").fill("unlock the back door")
    await page.locator("#text").press("Enter")
    await page.locator("#lines").get_by_role("button", name="Yes").click()
    await until(lambda: dobby.house.state.of("back").get("locked") is False)
    await expect(page.locator("#asked")).to_be_hidden()
    picture = tmp_path / "door.png"
    picture.write_bytes(await page.locator("header img").screenshot())
    reply = Reply("shown", "web/anna", "Somebody is at the door.", picture=str(picture))
    dobby.post.hand_over([await dobby.store.write(lambda db: outbox.owe(db, reply, None, dobby.clock.now()))])
    image = page.locator("#lines .bubble img")
    await expect(image).to_be_visible()
    await page.wait_for_function("document.querySelector('#lines .bubble img').naturalWidth > 20")
    assert (await image.get_attribute("alt")) == "Picture"


async def test_a_code_that_is_asked_elsewhere_has_a_field_and_stays_out_of_the_rows(
    dobby: Dobby, rig: WhatsAppRig, browser: Browser
) -> None:
    heard: list[str] = []

    async def look(plan: Plan, source: Source, ask: Ask) -> str:
        heard.append(await ask("What is the camera's password?", ()))
        return "Connected."

    dobby.butler.desk.look = look
    page = await visit(browser, dobby, "anna")
    await rig.twilio.write(WHO, "connect the camera")
    card = page.locator("#asked article")
    await expect(card.locator("p").first).to_contain_text("ask_secret")
    field = card.get_by_label("Code or password")
    await expect(field).to_have_attribute("type", "password")
    await field.fill("CANARY hunter2")
    await field.press("Enter")
    await until(lambda: heard == ["CANARY hunter2"])
    await expect(page.locator("#asked")).to_be_hidden()
    await until(lambda: any("Connected." in one.body for one in rig.twilio.shown(WHO)))
    assert "CANARY" not in await page.evaluate("JSON.stringify({...localStorage}) + document.body.innerText")
    tables = [row[0] for row in await dobby.store.read(lambda db: db.execute("SELECT name FROM sqlite_master").fetchall())]
    kept = await dobby.store.read(lambda db: "\n".join(db.iterdump()))
    assert tables and "CANARY" not in kept and "•••" in kept
