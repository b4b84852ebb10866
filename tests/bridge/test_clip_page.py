"""A visit's clip in chromium: the page plays it as the camera sent it, with nothing encoded anew."""

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import async_playwright

from tests.test_watching import become, told, watched

CHROMIUM = Path("/usr/bin/chromium")
PLAYS = "() => { const film = document.querySelector('video'); return film && film.readyState >= 2 && film.currentTime > 0.5; }"
SIZE = "() => { const film = document.querySelector('video'); return [film.videoWidth, film.videoHeight, film.duration]; }"


@pytest.mark.browser
@pytest.mark.timeout(240)
@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no chromium at {CHROMIUM}")
async def test_the_clip_of_a_visit_plays_in_the_page(tmp_path: Path) -> None:
    async with watched(tmp_path, "delivery", web={"on": True, "port": 0}) as (dobby, _), async_playwright() as playwright:
        assert dobby.web is not None
        [(_, picture)] = await become(lambda: told(dobby, "%marked FedEx%"))
        await become(lambda: asyncio.to_thread(Path(picture).with_suffix(".mp4").is_file))
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page = await browser.new_page(viewport={"width": 700, "height": 900})
        await page.goto(f"{dobby.web.url}/#code={await dobby.people.make_code('owner')}")
        await page.locator(".sight button").first.click(timeout=60_000)
        await page.wait_for_function(PLAYS, timeout=60_000)
        width, height, seconds = await page.evaluate(SIZE)
        assert (width, height) == (1280, 720)  # the large stream's
        assert seconds > 4  # it begins before the visit
        await page.screenshot(path=str(tmp_path / "clip.png"))
        await browser.close()
