"""Who comes into the drawn driveway: truck, car, person, cat, parcel, shaded and rounded enough that a detector knows them.

Each is drawn large, once for each look of it, and kept; then it is put into the picture at its size. It does not know when
anything happens (`scene.py`), nor what the light is.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import cv2
import numpy as np

Picture: TypeAlias = Any  # ndarray, height x width x 3, uint8, BGR
Colour: TypeAlias = tuple[int, ...]  # blue, green, red
Points: TypeAlias = Sequence[tuple[float, float]]  # across and up, as shares of the thing's height
FONT = cv2.FontFace("sans")
TALL = 300  # pixels of a thing that is drawn once
STEPS = 12  # looks of one stride
SHIFT = 4  # cv2 draws with 1/16 pixel


def tall(y: float) -> float:
    """How tall a person is who stands at `y`, as a share of the picture's height: the camera looks down from above the door."""
    return 0.11 + max(0.0, y - 0.42) * 0.62


class Sheet:
    """Where one thing is drawn, from its side, looking right; its foot in the middle of the lower edge."""

    def __init__(self, wide: float) -> None:
        """:param wide: its width as a share of its height, with room for what sticks out."""
        self.colour = np.zeros((TALL, round(TALL * wide), 3), np.float32)
        self.cover = np.zeros(self.colour.shape[:2], np.float32)
        self._middle = self.colour.shape[1] / 2

    def at(self, across: float, up: float) -> tuple[float, float]:
        """A place in pixels."""
        return self._middle + across * TALL, TALL * (1 - up)

    def fill(self, points: Points, colour: Colour, soft: int = 0, light: tuple[float, float] = (1.0, 1.0)) -> None:
        """A shape; `soft` rounds its corners, `light` is how bright its top and its bottom are."""
        shape = np.asarray(points, np.float64)
        for _ in range(soft):  # Chaikin's corner cutting
            after = np.roll(shape, -1, axis=0)
            shape = np.stack((0.75 * shape + 0.25 * after, 0.25 * shape + 0.75 * after), 1).reshape(-1, 2)
        self._lay(lambda mask: cv2.fillPoly(mask, [self._sharp(shape)], 255, cv2.LINE_AA, SHIFT), colour, light)

    def line(self, points: Points, colour: Colour, thick: float, light: tuple[float, float] = (1.0, 1.0)) -> None:
        """A limb, a gap, a tail; `thick` as a share of the height."""
        broad, sharp = max(1, round(thick * TALL)), self._sharp(np.asarray(points, np.float64))
        self._lay(lambda mask: cv2.polylines(mask, [sharp], False, 255, broad, cv2.LINE_AA, SHIFT), colour, light)

    def disc(
        self, across: float, up: float, wide: float, high: float, colour: Colour, light: tuple[float, float] = (1, 1)
    ) -> None:
        """A round thing."""
        middle, axes = self._sharp([(across, up)])[0].tolist(), (round(wide * TALL * 16), round(high * TALL * 16))
        self._lay(lambda mask: cv2.ellipse(mask, middle, axes, 0, 0, 360, 255, -1, cv2.LINE_AA, SHIFT), colour, light)

    def _sharp(self, points: Any) -> Any:  # in sixteenths of a pixel
        return np.round([np.multiply(self.at(*each), 16) for each in points]).astype(np.int32)

    def _lay(self, draw: Callable[[Any], object], colour: Colour, light: tuple[float, float]) -> None:
        mask = np.zeros(self.cover.shape, np.uint8)
        draw(mask)
        rows = np.flatnonzero(mask.any(1))
        if rows.size:
            here = slice(rows[0], rows[-1] + 1)
            part = (mask[here].astype(np.float32) / 255)[..., None]
            shade = np.linspace(*light, len(part), dtype=np.float32)[:, None, None]
            self.colour[here] = self.colour[here] * (1 - part) + part * np.clip(np.array(colour, np.float32) * shade, 0, 255)
            self.cover[here] = np.maximum(self.cover[here], part[..., 0])

    def done(self) -> list[Any]:
        """The thing in halving sizes: blue, green, red (already multiplied with how much they cover) and how much they cover."""
        grain: Any = np.random.default_rng(3).normal(0, 5, self.cover.shape)
        paint = np.clip(self.colour + grain[..., None], 0, 255) * self.cover[..., None]
        sizes: list[Any] = [np.dstack((paint, self.cover)).astype(np.float32)]
        while min(sizes[-1].shape[:2]) > 24:
            high, wide = sizes[-1].shape[:2]
            sizes.append(cv2.resize(sizes[-1], (wide // 2, high // 2), interpolation=cv2.INTER_AREA))
        return sizes


def _put(picture: Picture, sizes: Sequence[Any], x: float, y: float, high: float, facing: int) -> None:
    """A thing with its foot at a place (shares) and its height (pixels) into the picture."""
    height, width = picture.shape[:2]
    whole = next((each for each in reversed(sizes) if each.shape[0] >= high), sizes[0])
    share = high / whole.shape[0]
    wide = whole.shape[1] * share
    left, top = x * width - wide / 2, y * height - high
    x0, y0, x1, y1 = max(0, int(left)), max(0, int(top)), min(width, int(left + wide) + 2), min(height, int(top + high) + 2)
    if x0 >= x1 or y0 >= y1:
        return
    begin = left - x0 if facing > 0 else left - x0 + wide
    place = np.array([[facing * share, 0, begin], [0, share, top - y0]], np.float32)
    laid = cv2.warpAffine(whole, place, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR)
    part = picture[y0:y1, x0:x1]
    part[:] = (part * (1 - laid[..., 3:]) + laid[..., :3]).astype(np.uint8)


def _shade(picture: Picture, x: float, y: float, wide: float) -> None:
    """The soft dark patch under whatever stands somewhere; `x`, `y`, `wide` in pixels."""
    height, width = picture.shape[:2]
    deep = max(2, round(wide * 0.12))
    left, right, top, bottom = max(0, round(x - wide)), min(width, round(x + wide)), max(0, round(y) - deep), round(y) + deep
    part = picture[top : min(height, bottom), left:right]
    if part.size:
        mask = np.zeros(part.shape[:2], np.uint8)
        cv2.ellipse(mask, (round(x) - left, round(y) - top), (max(1, round(wide)), deep), 0, 0, 360, 1, -1)
        part[mask > 0] = part[mask > 0] * 0.5


def _stand(picture: Picture, sizes: Sequence[Any], x: float, y: float, high: float, facing: int, shade: float) -> None:
    """The same with its shade; `high` as a share of the picture's height."""
    height, width = picture.shape[:2]
    _shade(picture, x * width, y * height, shade * high * height)
    _put(picture, sizes, x, y, high * height, facing)


# Vehicles

GLASS, TYRE, RIM, LAMP, REAR = (88, 76, 64), (26, 24, 24), (165, 165, 168), (225, 245, 252), (40, 36, 190)


def _wheel(sheet: Sheet, across: float, radius: float) -> None:
    sheet.disc(across, radius * 1.05, radius * 1.22, radius * 1.22, (18, 16, 16))
    sheet.disc(across, radius, radius, radius, TYRE)
    sheet.disc(across, radius, radius * 0.62, radius * 0.62, RIM, (1.1, 0.7))
    for spoke in range(5):
        turn = spoke * math.tau / 5
        tip = (across + radius * 0.55 * math.cos(turn), radius * (1 + 0.55 * math.sin(turn)))
        sheet.line([(across, radius), tip], (70, 68, 68), radius * 0.14)
    sheet.disc(across, radius, radius * 0.14, radius * 0.14, (90, 88, 88))


def truck(picture: Picture, x: float, y: float, facing: int, t: float, *, colour: Colour, text: str, ink: Colour) -> None:
    """A delivery van seen from the side, its bottom at `y`; `facing` 1 looks right, -1 left. `text` is on its box."""
    high = tall(y) * 1.36
    _stand(picture, _truck(colour), x, y, high, facing, 1.08)
    if text:  # not mirrored
        height, width = picture.shape[:2]
        middle = (x * width - facing * 0.335 * high * height, (y - high * 0.56) * height)
        _lettering(picture, text, middle, high * height * 1.2, high * height * 0.46, ink)


@lru_cache(16)
def _truck(colour: Colour) -> list[Any]:
    sheet = Sheet(2.1)
    dark: Colour = tuple(round(each * 0.6) for each in colour)
    bright: Colour = tuple(min(255, round(each * 1.2 + 25)) for each in colour)
    sheet.fill([(-1.02, 0.10), (1.0, 0.10), (1.0, 0.2), (-1.02, 0.2)], (34, 32, 30))
    cab = [(0.40, 0.13), (1.02, 0.13), (1.03, 0.38), (0.99, 0.46), (0.80, 0.53), (0.62, 0.90), (0.52, 0.95), (0.40, 0.95)]
    sheet.fill(cab, colour, 1, (1.15, 0.7))
    sheet.fill([(0.46, 0.53), (0.75, 0.52), (0.60, 0.85), (0.46, 0.87)], GLASS, 1, (2.0, 0.9))
    sheet.line([(0.78, 0.53), (0.615, 0.88)], (190, 180, 170), 0.02)
    for gap in ([(0.43, 0.17), (0.43, 0.90)], [(0.80, 0.30), (0.79, 0.51), (0.43, 0.49)]):
        sheet.line(gap, dark, 0.012)
    sheet.line([(0.47, 0.43), (0.55, 0.43)], (30, 30, 30), 0.025)
    sheet.fill([(0.70, 0.52), (0.77, 0.52), (0.77, 0.66), (0.70, 0.66)], (28, 28, 28), 1)
    sheet.fill([(-1.03, 0.15), (0.36, 0.15), (0.36, 0.99), (-1.03, 0.99)], colour, 0, (1.1, 0.82))
    sheet.line([(-1.02, 0.985), (0.355, 0.985)], bright, 0.03)
    sheet.line([(-1.02, 0.17), (0.355, 0.17)], dark, 0.04)
    for across in (-1.015, 0.35):
        sheet.line([(across, 0.16), (across, 0.98)], dark, 0.02)
    sheet.fill([(0.91, 0.27), (1.03, 0.25), (1.01, 0.37), (0.93, 0.37)], LAMP, 1)
    sheet.fill([(0.84, 0.09), (1.05, 0.09), (1.05, 0.18), (0.84, 0.18)], (60, 58, 56), 1)
    sheet.fill([(-1.04, 0.2), (-0.99, 0.2), (-0.99, 0.34), (-1.04, 0.34)], REAR)
    for across in (-0.64, 0.68):
        _wheel(sheet, across, 0.15)
    return sheet.done()


def _lettering(picture: Picture, text: str, middle: tuple[float, float], wide: float, high: float, ink: Colour) -> None:
    (across, down), _ = _extent(text)
    size = round(min(wide / across, high / down) * 100)
    if size >= 5:
        scale = size / 100
        where = (round(middle[0] - across * scale / 2), round(middle[1] + down * scale / 2))
        cv2.putText(picture, text, where, ink, FONT, size, 800)


@lru_cache(64)
def _extent(text: str) -> tuple[tuple[int, int], int]:
    """Width and height of the words at a size of 100."""
    left, top, wide, high = cv2.getTextSize((4000, 400), text, (0, 0), FONT, 100, 800)
    return (max(1, wide), max(1, -top if top < 0 else high)), left


def car(picture: Picture, x: float, y: float, facing: int, t: float, *, colour: Colour) -> None:
    """A hatchback seen from the side, its bottom at `y`."""
    _stand(picture, _car(colour), x, y, tall(y) * 0.82, facing, 1.5)


@lru_cache(16)
def _car(colour: Colour) -> list[Any]:
    sheet = Sheet(3.0)
    dark: Colour = tuple(round(each * 0.45) for each in colour)
    sheet.fill([(-1.38, 0.12), (1.38, 0.12), (1.38, 0.28), (-1.38, 0.28)], (24, 22, 22))
    lower = [(-1.42, 0.2), (1.40, 0.18), (1.44, 0.34), (1.40, 0.50), (1.22, 0.58), (0.62, 0.66), (-1.30, 0.68), (-1.44, 0.55)]
    upper = [(-1.36, 0.60), (-1.18, 0.90), (-0.90, 0.985), (-0.05, 1.0), (0.22, 0.94), (0.74, 0.62)]
    sheet.fill(upper, colour, 2, (1.25, 0.9))
    sheet.fill(lower, colour, 2, (1.25, 0.62))
    sheet.line([(-1.38, 0.60), (0.0, 0.585), (1.30, 0.52)], tuple(min(255, round(each * 1.5 + 30)) for each in colour), 0.018)
    sheet.line([(-1.38, 0.34), (1.38, 0.31)], dark, 0.012)
    glass = [(-1.12, 0.66), (-1.0, 0.87), (-0.82, 0.92), (-0.05, 0.935), (0.16, 0.89), (0.52, 0.65)]
    sheet.fill(glass, (60, 52, 46), 1, (1.9, 0.8))
    for pillar in ([(-0.22, 0.65), (-0.20, 0.94)], [(-0.80, 0.66), (-0.74, 0.93)]):
        sheet.line(pillar, dark, 0.05)
    for gap in ([(-0.24, 0.22), (-0.22, 0.64)], [(0.50, 0.24), (0.50, 0.62)], [(-0.86, 0.45), (-0.82, 0.64)]):
        sheet.line(gap, dark, 0.012)
    for handle in (-0.42, 0.28):
        sheet.line([(handle - 0.2, 0.55), (handle - 0.08, 0.55)], dark, 0.02)
    sheet.fill([(0.44, 0.62), (0.58, 0.62), (0.56, 0.72), (0.46, 0.72)], colour, 1, (1.2, 0.8))
    sheet.fill([(1.20, 0.44), (1.41, 0.38), (1.38, 0.50), (1.24, 0.54)], LAMP, 1)
    sheet.fill([(-1.43, 0.46), (-1.30, 0.48), (-1.32, 0.62), (-1.41, 0.60)], REAR, 1)
    for across in (-0.92, 0.90):
        _wheel(sheet, across, 0.20)
    return sheet.done()


# The living


def person(picture: Picture, x: float, y: float, facing: int, t: float, *, colour: Colour, moving: bool) -> None:
    """Somebody on their feet at `y`; who moves takes one stride a second, who stands looks at the camera."""
    step = round(t * STEPS) % STEPS if moving else -1
    _stand(picture, _person(colour, step), x, y, tall(y), facing if moving else 1, 0.2)


SKIN, HAIR, CLOTH, SHOE = (128, 160, 205), (34, 42, 56), (82, 62, 50), (28, 28, 32)


@lru_cache(64)
def _person(colour: Colour, step: int) -> list[Any]:
    return (_facing(colour) if step < 0 else _striding(colour, step / STEPS * math.tau)).done()


def _facing(colour: Colour) -> Sheet:
    sheet = Sheet(0.6)
    for way in (-1, 1):
        sheet.line([(way * 0.055, 0.48), (way * 0.065, 0.26), (way * 0.07, 0.05)], CLOTH, 0.085, (1.1, 0.75))
        sheet.fill([(way * 0.03, 0.0), (way * 0.115, 0.0), (way * 0.11, 0.05), (way * 0.04, 0.05)], SHOE, 1)
        sheet.line([(way * 0.12, 0.775), (way * 0.16, 0.60), (way * 0.155, 0.48)], colour, 0.06, (1.0, 0.75))
        sheet.disc(way * 0.155, 0.44, 0.028, 0.035, SKIN)
    chest = [(-0.13, 0.80), (-0.05, 0.84), (0.05, 0.84), (0.13, 0.80), (0.115, 0.62), (0.11, 0.44), (-0.11, 0.44), (-0.115, 0.62)]
    sheet.fill(chest, colour, 1, (1.15, 0.75))
    sheet.line([(0.0, 0.82), (0.0, 0.46)], tuple(round(each * 0.6) for each in colour), 0.01)
    _head(sheet, 0.0, 0.0)
    return sheet


def _striding(colour: Colour, phase: float) -> Sheet:
    sheet, swing = Sheet(0.8), math.sin(phase)
    shirt: Colour = tuple(round(each * 0.75) for each in colour)
    trousers: Colour = tuple(round(each * 0.75) for each in CLOTH)
    for way, cloth, sleeve in ((-1, trousers, shirt), (1, CLOTH, colour)):
        turn, lift = way * swing, max(0.0, way * math.cos(phase))
        knee, foot = (0.10 * turn + 0.04 * lift, 0.26), (0.19 * turn, 0.045 + 0.05 * lift)
        sheet.line([(0.0, 0.48), knee, foot], cloth, 0.085, (1.1, 0.8))
        sheet.fill(
            [(foot[0] - 0.04, foot[1] - 0.045), (foot[0] + 0.09, foot[1] - 0.04), (foot[0] + 0.03, foot[1] + 0.02)], SHOE, 1
        )
        elbow, hand = (-0.08 * turn - 0.02, 0.62), (-0.13 * turn + 0.04, 0.49)
        if way < 0:
            _arm(sheet, elbow, hand, sleeve)
    sheet.fill(
        [(-0.085, 0.79), (0.0, 0.84), (0.07, 0.80), (0.09, 0.62), (0.075, 0.44), (-0.075, 0.44), (-0.09, 0.62)],
        colour,
        1,
        (1.15, 0.75),
    )
    _arm(sheet, elbow, hand, tuple(round(each * 0.9) for each in colour))
    _head(sheet, 0.01, 0.025)
    return sheet


def _arm(sheet: Sheet, elbow: tuple[float, float], hand: tuple[float, float], colour: Colour) -> None:
    sheet.line([(0.0, 0.77), elbow, hand], colour, 0.06, (1.0, 0.75))
    sheet.disc(*hand, 0.028, 0.032, SKIN)


def _head(sheet: Sheet, across: float, nose: float) -> None:
    """`nose` is how far it looks to the side."""
    sheet.line([(across, 0.80), (across, 0.88)], SKIN, 0.06, (0.7, 0.9))
    sheet.disc(across, 0.915, 0.056, 0.075, SKIN, (1.1, 0.85))
    sheet.disc(across - nose, 0.955, 0.062, 0.045, HAIR)
    sheet.disc(across - 2 * nose, 0.925, 0.03 if nose else 0.0, 0.05, HAIR)
    for eye in (-0.02, 0.02) if not nose else (nose + 0.008,):
        sheet.disc(across + eye, 0.918, 0.007, 0.006, (30, 30, 40))


def cat(picture: Picture, x: float, y: float, facing: int, t: float, *, colour: Colour, moving: bool) -> None:
    """A cat at `y`: it walks with its tail up, and sits down when it rests."""
    step = round(t * 2 * STEPS) % STEPS if moving else -1
    _stand(picture, _cat(colour, step), x, y, tall(y) * 0.32, facing, 0.5)


@lru_cache(32)
def _cat(colour: Colour, step: int) -> list[Any]:
    return (_sitting(colour) if step < 0 else _walking(colour, step / STEPS * math.tau)).done()


def _walking(colour: Colour, phase: float) -> Sheet:
    sheet = Sheet(2.2)
    dark: Colour = tuple(round(each * 0.7) for each in colour)
    for across, late, coat in ((-0.42, math.pi, dark), (0.34, 0.0, dark), (-0.50, 0.0, colour), (0.26, math.pi, colour)):
        swing, lift = 0.13 * math.sin(phase + late), 0.05 * max(0.0, math.cos(phase + late))
        sheet.line([(across, 0.42), (across + 0.5 * swing - 0.03, 0.22), (across + swing, 0.03 + lift)], coat, 0.095)
        sheet.disc(across + swing + 0.03, 0.035 + lift, 0.06, 0.035, coat)
    sheet.line([(-0.58, 0.52), (-0.78, 0.56), (-0.88, 0.74), (-0.84, 0.93)], colour, 0.07)
    body = [(-0.62, 0.50), (-0.55, 0.60), (-0.1, 0.59), (0.3, 0.62), (0.48, 0.56), (0.44, 0.36), (0.0, 0.31), (-0.52, 0.34)]
    sheet.fill(body, colour, 2, (1.25, 0.7))
    for stripe in (-0.35, -0.2, -0.05, 0.1):
        sheet.line([(stripe, 0.57), (stripe - 0.03, 0.42)], dark, 0.035)
    _face(sheet, 0.60, 0.68, colour)
    return sheet


def _sitting(colour: Colour) -> Sheet:
    sheet = Sheet(2.2)
    sheet.line([(-0.25, 0.05), (-0.45, 0.06), (-0.55, 0.18)], colour, 0.08)
    body = [(-0.30, 0.0), (0.26, 0.0), (0.24, 0.30), (0.14, 0.66), (-0.08, 0.66), (-0.26, 0.36)]
    sheet.fill(body, colour, 2, (1.2, 0.75))
    for leg in (0.06, 0.18):
        sheet.line([(leg, 0.38), (leg + 0.02, 0.03)], tuple(round(each * 0.85) for each in colour), 0.075)
    _face(sheet, 0.08, 0.74, colour)
    return sheet


def _face(sheet: Sheet, across: float, up: float, colour: Colour) -> None:
    for ear in (-0.11, 0.07):
        sheet.fill([(across + ear - 0.05, up + 0.08), (across + ear + 0.01, up + 0.25), (across + ear + 0.09, up + 0.09)], colour)
    sheet.disc(across, up, 0.175, 0.15, colour, (1.15, 0.85))
    sheet.disc(across + 0.07, up - 0.05, 0.075, 0.055, tuple(min(255, round(each * 1.2 + 50)) for each in colour))
    for eye in (-0.03, 0.1):
        sheet.disc(across + eye, up + 0.03, 0.022, 0.026, (60, 190, 190))
    sheet.disc(across + 0.09, up - 0.03, 0.018, 0.013, (120, 110, 190))


def parcel(picture: Picture, x: float, y: float, facing: int, t: float, *, colour: Colour, text: str, ink: Colour) -> None:
    """A cardboard box on the ground, with tape and perhaps a word."""
    high = tall(y) * 0.28
    _stand(picture, _parcel(colour), x, y, high, 1, 0.75)
    if text:
        height, width = picture.shape[:2]
        _lettering(picture, text, (x * width, (y - high * 0.37) * height), high * height * 0.95, high * height * 0.3, ink)


@lru_cache(8)
def _parcel(colour: Colour) -> list[Any]:
    sheet = Sheet(1.4)
    sheet.fill([(-0.62, 0.0), (0.62, 0.0), (0.62, 0.74), (-0.62, 0.74)], colour, 0, (1.0, 0.8))
    sheet.fill([(-0.62, 0.74), (0.62, 0.74), (0.47, 0.99), (-0.47, 0.99)], colour, 0, (1.2, 1.1))
    sheet.line([(0.0, 0.02), (0.0, 0.98)], (150, 190, 210), 0.14)
    return sheet.done()
