"""The cameras' page in chromium: a frame of now, a zone, a line and a mask drawn over it; the mask is black in what is stored."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect

from dobby.config import ModelConfig
from dobby.errors import DobbyError
from dobby.journal import sightings as rows
from dobby.vision.page import parse_view, sent_to
from tests.test_watching import become, cameras, watched

CHROMIUM = Path("/usr/bin/chromium")


@pytest.mark.browser
@pytest.mark.timeout(120)
@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no chromium at {CHROMIUM}")
async def test_a_zone_a_line_and_a_mask_are_drawn_over_a_frame_of_now(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    async with watched(tmp_path, "quiet", web={"on": True, "port": 0}) as (dobby, _), async_playwright() as playwright:
        assert dobby.web is not None
        code = await dobby.people.make_code("owner")
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page = await browser.new_page(viewport={"width": 700, "height": 900})
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(f"{dobby.web.url}/#code={code}")
        await page.locator("#cameras").click(timeout=15_000)
        await expect(page.locator("#privacy")).to_have_text("Pictures stay in this house.")
        await page.wait_for_function("() => document.querySelector('.view img').naturalWidth > 600")
        await draw(page, [(0.0, 0.3), (1.0, 0.3), (1.0, 0.48), (0.0, 0.48)], name="street")
        await draw_by_keyboard(page, ((-4, -4), (3, 0), (0, 2), (-3, 0)))
        await draw(page, [(0.1, 0.6), (0.5, 0.9), (0.9, 0.6)], name="gate", kind="line")  # the last one instead of the second
        await expect(page.locator("li")).to_have_count(3)
        await page.locator("li", has_text="gate").get_by_role("button", name="Turn round").click()
        await expect(page.locator(".view .inward")).to_have_count(1)
        await page.screenshot(path=str(tmp_path / "cameras.png"))
        [device] = cameras(dobby)
        view = (await dobby.store.read(rows.views))[device.id]
        assert view["zones"][0]["name"] == "street" and len(view["masks"][0]) == 4

        async def turned() -> bool:
            line = (await dobby.store.read(rows.views))[device.id]["zones"][1]
            return bool(line["name"] == "gate" and [round(x, 1) for x, _ in line["points"]] == [0.9, 0.1])

        await become(turned)

        async def black() -> bool:
            try:
                picture = cv2.imread(str((await dobby.desk.hands.peek(device))["picture"]))  # type: ignore[misc]
            except DobbyError:  # the stream is opened anew, with the mask
                return False
            height, width = picture.shape[:2]
            return bool(picture[round(height * 0.1) : round(height * 0.2), round(width * 0.1) : round(width * 0.3)].max() < 20)

        await become(black)
        await page.locator("li button").first.click()
        await expect(page.locator("li")).to_have_count(2)
        await browser.close()
        assert complaints == []


async def draw(page: object, corners: list[tuple[float, float]], *, name: str = "", kind: str = "zone") -> None:
    """A shape, corner by corner."""
    await page.locator("select").select_option(kind)  # type: ignore[attr-defined]
    if name:
        await page.locator("input").fill(name)  # type: ignore[attr-defined]
    svg = page.locator(".view svg")  # type: ignore[attr-defined]
    box = await svg.bounding_box()
    for x, y in corners:
        place = {"x": min(x * box["width"], box["width"] - 1), "y": min(y * box["height"], box["height"] - 1)}
        await svg.click(position=place)
    count = await page.locator("li").count()  # type: ignore[attr-defined]
    await page.locator(".close").click()  # type: ignore[attr-defined]
    await expect(page.locator("li")).to_have_count(count + 1)  # type: ignore[attr-defined]


async def draw_by_keyboard(page: Page, moves: Sequence[tuple[int, int]]) -> None:
    """A mask without a pointer: from the middle, each corner so many tenths of the frame from the last (right, down)."""
    await page.locator("select").select_option("mask")
    await page.locator(".view svg").focus()
    for right, down in moves:
        for count, less, more in ((right, "ArrowLeft", "ArrowRight"), (down, "ArrowUp", "ArrowDown")):
            for _ in range(abs(count)):
                await page.keyboard.press(f"Shift+{less if count < 0 else more}")
        await page.keyboard.press("Enter")
    await expect(page.locator(".hint")).to_have_text("Corner 4 at 10 %, 30 %")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Backspace")
    await page.keyboard.press("Tab")
    count = await page.locator("li").count()
    await page.locator(".close").press("Enter")
    await expect(page.locator("li")).to_have_count(count + 1)


@pytest.mark.parametrize(
    "row",
    [
        [],
        {"zones": []},
        {"zones": [{"name": "x", "points": [[0, 0]]}], "masks": []},
        {"zones": [], "masks": [[[0, 0], [1, 1]]]},
        {"zones": [{"name": "", "points": [[0, 0], [1, 1], [0, 1]]}], "masks": []},
        {"zones": [], "masks": [[[0, 0], [2, 1], [0, 1]]]},
        {"zones": [], "masks": [[[0, 0], ["a", 1], [0, 1]]]},
        {"zones": [], "masks": [[[0, 0], [1, 1], [0, float("nan")]]]},
        {"zones": [], "masks": [[[0, 0], [1, 1], [0, 1]]] * 21},
    ],
)
def test_what_is_no_drawing_is_refused(row: object) -> None:
    with pytest.raises(ValueError):
        parse_view(row)


@pytest.mark.parametrize(
    ("config", "host"),
    [
        ({}, ""),
        ({"mind": "m"}, "api.anthropic.com"),
        ({"mind": "m", "base_url": "http://127.0.0.1:11434"}, ""),
        ({"mind": "m", "base_url": "http://192.168.1.5:8080"}, ""),
        ({"mind": "m", "base_url": "http://llama.local:8080"}, ""),
        ({"mind": "m", "base_url": "https://models.example.org"}, "models.example.org"),
        ({"mind": "m", "base_url": "http://8.8.8.8"}, "8.8.8.8"),
    ],
)
def test_where_frames_go_is_said_plainly(config: dict[str, str], host: str) -> None:
    assert sent_to(ModelConfig(**config)) == host
