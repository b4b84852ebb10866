"""A visit's clip in chromium: the page plays it as the camera sent it, with nothing encoded anew; else it shows the photo."""

import asyncio
from pathlib import Path

import av
import pytest
from playwright.async_api import async_playwright, expect

from tests.test_watching import become, told, watched

CHROMIUM = Path("/usr/bin/chromium")
PLAYS = "() => { const film = document.querySelector('video'); return film && film.readyState >= 2 && film.currentTime > 0.5; }"
SIZE = "() => { const film = document.querySelector('video'); return [film.videoWidth, film.videoHeight, film.duration]; }"


@pytest.mark.browser
@pytest.mark.timeout(240)
@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no chromium at {CHROMIUM}")
async def test_the_clip_of_a_visit_plays_in_the_page_and_the_photo_stays_where_it_cannot(tmp_path: Path) -> None:
    async with watched(tmp_path, "delivery", web={"on": True, "port": 0}) as (dobby, _), async_playwright() as playwright:
        assert dobby.web is not None
        [(_, picture)] = await become(lambda: told(dobby, "%marked FedEx%"))
        await become(lambda: asyncio.to_thread(Path(picture).with_suffix(".mp4").is_file))
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page = await browser.new_page(viewport={"width": 700, "height": 900})
        await page.goto(f"{dobby.web.url}/#code={await dobby.people.make_code('owner')}", timeout=60_000)
        await page.locator(".sight button").first.click(timeout=60_000)
        await page.wait_for_function(PLAYS, timeout=60_000)
        width, height, seconds = await page.evaluate(SIZE)
        assert (width, height) == (1280, 720)  # the large stream's
        assert seconds > 4  # it begins before the visit
        for codec, format in (("libx265", "yuv420p"), ("mjpeg", "yuvj420p")):
            _foreign(Path(picture).with_suffix(".mp4"), codec, format)
            page = await browser.new_page()
            await page.goto(f"{dobby.web.url}/#code={await dobby.people.make_code('owner')}", timeout=60_000)
            play = page.locator(".sight button").first
            await play.click(timeout=60_000)
            await expect(play).to_have_text("No clip", timeout=60_000)
            assert await play.is_disabled()
            await expect(page.locator("li:has(.sight) img")).to_be_visible(timeout=60_000)  # the photo is back
            assert await page.locator("video").count() == 0
        await browser.close()


def _foreign(path: Path, codec: str, format: str) -> None:
    """A clip as a camera sends it that speaks what Debian's chromium cannot play."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=5)
        stream.width, stream.height, stream.pix_fmt = 320, 240, format
        for _ in range(10):
            out.mux(stream.encode(av.VideoFrame(320, 240, format)))
        out.mux(stream.encode())
