"""The dollhouse's phone in chromium: what WhatsApp would show of Dobby, with ticks, buttons and pictures."""

from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect
from rigs import PHONE, whatsapp
from small_dobby import Dobby

from dobby.events import Reply
from dobby.journal import outbox
from tests.patience import ENOUGH, until

CHROMIUM = Path("/usr/bin/chromium")


async def say(page: Page, text: str, answer: str) -> None:
    await page.locator("input").fill(text)
    await page.locator("input").press("Enter")
    await expect(page.locator(".line").last).to_contain_text(answer)


@pytest.mark.browser
@pytest.mark.timeout(120)
@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no chromium at {CHROMIUM}")
@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (320, "dark")])
async def test_a_phone_shows_texts_ticks_buttons_and_pictures(dobby: Dobby, tmp_path: Path, width: int, scheme: str) -> None:
    async with whatsapp(dobby, buttons="HX" + "2" * 32) as rig, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"])
        context = await browser.new_context(viewport={"width": width, "height": 740}, color_scheme=scheme)  # type: ignore[arg-type]
        page = await context.new_page()
        page.set_default_timeout(ENOUGH * 1000)
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        expect.set_options(timeout=ENOUGH * 1000)
        await page.goto(rig.twilio.url)
        await expect(page.locator(".empty")).to_be_visible()
        await say(page, "lamp on", "Reading lamp")
        await expect(page.locator(".mine [role=img]")).to_have_attribute("aria-label", "read")
        await say(page, "<b>bold</b> & co", "You said: <b>bold</b> & co")
        await say(page, "unlock the front door", "Unlock the front door?")
        await page.get_by_role("button", name="Yes").click()
        await until(lambda: dobby.house.state.of("door").get("locked") is False)
        await expect(page.get_by_role("button", name="Yes")).to_be_disabled()
        picture = tmp_path / "seen.png"
        await page.screenshot(path=str(picture))
        reply = Reply("seen", f"whatsapp/{PHONE}", "Somebody is at the door.", picture=str(picture))
        dobby.post.hand_over([await dobby.store.write(lambda db: outbox.owe(db, reply, None, dobby.clock.now()))])
        await page.wait_for_function("document.querySelector('.bubble img')?.naturalWidth > 300")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        outside = "[...document.querySelectorAll('.line')].filter(line => line.getBoundingClientRect().right > innerWidth).length"
        assert await page.evaluate(outside) == 0
        await page.screenshot(path=str(tmp_path / f"phone-{width}-{scheme}.png"))
        await browser.close()
        assert complaints == []
