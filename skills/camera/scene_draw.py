"""The drawn driveway itself: house, street, tree, and what weather and lamps do to it.

Everything takes a BGR picture and a place in it and paints; it does not know when anything happens (`scene.py`).
"""

import math
from functools import lru_cache
from typing import Any, TypeAlias

import cv2
import numpy as np

Picture: TypeAlias = Any  # ndarray, height x width x 3, uint8, BGR
Colour: TypeAlias = tuple[int, ...]  # blue, green, red
KERB = 0.50  # where the street meets the front garden, as a share of the height
SHIFT = 3  # cv2 draws with 1/8 pixel, so that slow things do not jump


def _fill(picture: Picture, points: list[tuple[float, float]], colour: Colour) -> None:
    sharp = np.array([(round(x * 8), round(y * 8)) for x, y in points], np.int32)
    cv2.fillPoly(picture, [sharp], colour, cv2.LINE_AA, SHIFT)


def _disc(picture: Picture, x: float, y: float, wide: float, high: float, colour: Colour) -> None:
    axes = (max(1, round(wide * 8)), max(1, round(high * 8)))
    cv2.ellipse(picture, (round(x * 8), round(y * 8)), axes, 0, 0, 360, colour, -1, cv2.LINE_AA, SHIFT)


def _box(picture: Picture, x: float, y: float, wide: float, high: float, colour: Colour) -> None:
    _fill(picture, [(x, y), (x + wide, y), (x + wide, y + high), (x, y + high)], colour)


@lru_cache(8)
def backdrop(width: int, height: int, seed: int) -> Picture:
    """Sky, the house opposite, hedge, street, front garden and driveway, with the grain that real ones have."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3), np.uint8)
    rows = np.linspace(0, 1, max(1, round(height * 0.3)))[:, None, None]
    picture[: len(rows)] = (np.array([[[225, 190, 150]]]) * (1 - rows) + np.array([[[235, 225, 210]]]) * rows).astype(np.uint8)
    _box(picture, width * 0.06, height * 0.1, width * 0.3, height * 0.26, (120, 140, 165))
    _fill(picture, [(width * 0.03, height * 0.11), (width * 0.21, 0), (width * 0.39, height * 0.11)], (60, 66, 105))
    for column in (0.1, 0.19, 0.28):
        _box(picture, width * column, height * 0.17, width * 0.045, height * 0.08, (96, 88, 78))
    hedge = picture[round(height * 0.27) : round(height * 0.36)]
    hedge[:] = (52, 92, 58)
    street, path, lawn = (112, 110, 108), (160, 164, 166), (62, 122, 78)
    _box(picture, 0, height * 0.36, width, height * 0.11, street)
    for x in np.arange(0, 1, 0.11):
        _box(picture, width * x, height * 0.412, width * 0.05, height * 0.006, (205, 210, 212))
    _box(picture, 0, height * 0.46, width, height * 0.045, path)
    _box(picture, 0, height * KERB, width, height * (1 - KERB) + 1, lawn)
    drive = [(width * 0.33, height * KERB), (width * 0.67, height * KERB), (width * 0.97, height), (width * 0.03, height)]
    _fill(picture, drive, (150, 152, 154))
    grain = np.asarray(cv2.GaussianBlur(rng.normal(0, 26, (height, width)), (0, 0), 1.2), np.float32)
    grain[: round(height * 0.27)] *= 0.15
    return np.clip(picture + grain.reshape(height, width, 1), 0, 255).astype(np.uint8)


@lru_cache(8)
def _crown(size: int, seed: int) -> tuple[Picture, Picture]:
    """A tree's leaves and where they are: hundreds of blobs."""
    rng = np.random.default_rng(seed + 1)
    leaves, mask = np.zeros((size, size, 3), np.uint8), np.zeros((size, size), np.uint8)
    for _ in range(260):
        away, turn = size * 0.36 * math.sqrt(rng.random()), rng.random() * 2 * math.pi
        x, y = round(size / 2 + away * math.cos(turn)), round(size / 2 + away * math.sin(turn) * 0.9)
        radius, light = max(1, round(size * rng.uniform(0.02, 0.055))), rng.uniform(0.6, 1.25)
        cv2.circle(leaves, (x, y), radius, tuple(float(light * each) for each in (46, 104, 62)), -1, cv2.LINE_AA)
        cv2.circle(mask, (x, y), radius, 255, -1)
    return leaves, mask


def tree(picture: Picture, t: float, wind: float, seed: int) -> None:
    """The tree at the right edge of the garden; `wind` 0 … 1 bends and rustles it."""
    height, width = picture.shape[:2]
    size, foot = round(height * 0.46), (width * 0.885, height * 0.60)
    _box(picture, foot[0] - width * 0.009, foot[1] - height * 0.2, width * 0.018, height * 0.2, (44, 62, 84))
    leaves, mask = _crown(size, seed)
    if wind:
        rows = np.arange(size, dtype=np.float32)[:, None]
        lean = (1 - rows / size) * (math.sin(t * 1.7) + 0.5 * math.sin(t * 3.1 + 1))
        shift = wind * size * (0.07 * lean + 0.012 * np.sin(rows * 0.35 + t * 9))
        across = np.arange(size, dtype=np.float32)[None, :] - shift.astype(np.float32)
        down = np.repeat(rows + (wind * 2.0 * math.sin(t * 5)), size, 1).astype(np.float32)
        leaves = cv2.remap(leaves, across, down, cv2.INTER_LINEAR)
        mask = cv2.remap(mask, across, down, cv2.INTER_LINEAR)
    left, top = round(foot[0] - size / 2), round(foot[1] - height * 0.12 - size)
    part = picture[max(0, top) : top + size, left : min(width, left + size)]
    cut = (slice(max(0, -top), max(0, -top) + part.shape[0]), slice(0, part.shape[1]))
    cv2.copyTo(leaves[cut], mask[cut], part)


# Light and weather


@lru_cache(8)
def _ball(radius: int) -> Picture:
    """A soft round glow, 0 … 1."""
    line = np.linspace(-1, 1, 2 * radius, dtype=np.float32)
    return np.clip(1 - np.hypot(line[:, None], line[None, :]), 0, 1)[..., None] ** 1.6


def glow(picture: Picture, x: float, y: float, radius: float, strength: float, colour: tuple[float, float, float]) -> None:
    """Light that a lamp throws around itself; `radius` as a share of the height, `strength` 0 … 1."""
    height, width = picture.shape[:2]
    size = max(2, round(radius * height / 16) * 16)
    left, top = round(x * width) - size, round(y * height) - size
    part = picture[max(0, top) : max(0, top + 2 * size), max(0, left) : max(0, left + 2 * size)]
    if part.size and strength > 0.01:
        cut = _ball(size)[max(0, -top) :, max(0, -left) :][: part.shape[0], : part.shape[1]]
        light = (cut * (np.array(colour, np.float32) * strength)).astype(np.uint8)
        cv2.add(part, light, part)


@lru_cache(8)
def _infrared(width: int, height: int) -> Picture:
    """How the camera's own infrared lamp lights the night: bright in the middle, dark at the edges and far away."""
    across = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    down = np.linspace(-0.75, 0.85, height, dtype=np.float32)[:, None]
    light = np.clip(0.72 - 0.42 * (across**2 + (down - 0.35) ** 2), 0.1, 1) * 255
    return np.repeat(light.astype(np.uint8)[..., None], 3, 2)


def night(picture: Picture) -> Picture:
    """As the camera sees it by its own infrared lamp: no colours, deep shadows."""
    height, width = picture.shape[:2]
    grey = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    return cv2.multiply(grey, _infrared(width, height), scale=1 / 255)


def rain(picture: Picture, number: int, heavy: float) -> None:
    """Streaks of one frame; no two frames have the same."""
    height, width = picture.shape[:2]
    rng = np.random.default_rng(number)
    for x, y, near in rng.random((round(140 * heavy), 3)):
        long = height * (0.02 + 0.05 * near)
        start = (round(x * width * 8), round((y * 1.1 - 0.05) * height * 8))
        end = (start[0] - round(long * 1.6), start[1] + round(long * 8))
        shade = round(150 + 70 * near)
        cv2.line(picture, start, end, (shade, shade, shade), 1, cv2.LINE_AA, SHIFT)


def spider(picture: Picture, t: float) -> None:
    """A spider on the lens: large, dark, out of focus, now here, now there, legs always going."""
    height, width = picture.shape[:2]
    x = 0.5 + 0.32 * math.sin(t * 0.21) + 0.04 * math.sin(t * 1.3)
    y = 0.45 + 0.3 * math.sin(t * 0.17 + 1) + 0.03 * math.sin(t * 1.9)
    size = round(height * 0.17)
    left, top = round(x * width) - 2 * size, round(y * height) - 2 * size
    part = picture[max(0, top) : top + 4 * size, max(0, left) : left + 4 * size]
    if not part.size:
        return
    mask = np.zeros((128, 128), np.uint8)
    cv2.circle(mask, (64, 64), 17, 255, -1)
    for leg in range(8):
        turn = leg * math.pi / 4 + 0.25 * math.sin(t * 4 + leg)
        cv2.line(mask, (64, 64), (round(64 + 46 * math.cos(turn)), round(64 + 46 * math.sin(turn))), 230, 5)
    soft = cv2.resize(cv2.GaussianBlur(mask, (0, 0), 5), (4 * size, 4 * size))
    cut = soft[max(0, -top) :, max(0, -left) :][: part.shape[0], : part.shape[1]]
    keep = cv2.cvtColor(255 - cut, cv2.COLOR_GRAY2BGR)
    part[:] = cv2.multiply(part, keep, scale=1 / 255)


@lru_cache(4)
def _grain(width: int, height: int, strength: float) -> Picture:
    rng = np.random.default_rng(7)
    return rng.normal(0, strength, (height + 64, width + 64, 3)).astype(np.int16)


def noise(picture: Picture, number: int, strength: float) -> Picture:
    """The sensor's noise, `strength` as a standard deviation in grey levels; another for each frame number."""
    height, width = picture.shape[:2]
    across, down = (number * 29) % 64, (number * 37) % 61
    grain = _grain(width, height, strength)[down : down + height, across : across + width]
    return cv2.add(picture, grain, dtype=cv2.CV_8U)
