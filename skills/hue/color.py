"""CIE xy, as Zigbee lamps speak it, and #rrggbb, as people do; what a lamp's gamut cannot show becomes the nearest it can.

Formulas: sRGB (IEC 61966-2-1) with its D65 matrix; the gamut is a triangle in xy. It does not know any lamp.
"""

from collections.abc import Sequence
from typing import TypeAlias

Point: TypeAlias = tuple[float, float]
NEAR = 0.008  # in xy: what a lamp rounds on its way


def to_xy(color: str, gamut: Sequence[Point] = ()) -> Point:
    """#rrggbb (any brightness) -> xy, inside the gamut's triangle where one is given. White is D65."""
    red, green, blue = (_linear(part / 255) for part in bytes.fromhex(color[1:]))
    x = red * 0.4124 + green * 0.3576 + blue * 0.1805
    y = red * 0.2126 + green * 0.7152 + blue * 0.0722
    z = red * 0.0193 + green * 0.1192 + blue * 0.9505
    total = x + y + z
    point = (x / total, y / total) if total else (0.3127, 0.3290)
    return _inside(point, gamut) if len(gamut) == 3 else point


def to_hex(point: Point) -> str:
    """xy -> #rrggbb at full brightness; what sRGB cannot show is cut."""
    x, y = point[0], max(point[1], 1e-6)
    big_x, big_z = x / y, (1 - x - y) / y
    parts = (
        big_x * 3.2406 - 1.5372 - big_z * 0.4986,
        big_x * -0.9689 + 1.8758 + big_z * 0.0415,
        big_x * 0.0557 - 0.2040 + big_z * 1.0570,
    )
    most = max(*parts, 1e-6)
    return "#" + "".join(f"{round(_curved(max(part / most, 0.0)) * 255):02x}" for part in parts)


def near(one: Point, other: Point) -> bool:
    """The same colour, as far as a lamp can tell."""
    return abs(one[0] - other[0]) <= NEAR and abs(one[1] - other[1]) <= NEAR


def _linear(part: float) -> float:
    return ((part + 0.055) / 1.055) ** 2.4 if part > 0.04045 else part / 12.92


def _curved(part: float) -> float:
    return 1.055 * part ** (1 / 2.4) - 0.055 if part > 0.0031308 else part * 12.92


def _inside(point: Point, gamut: Sequence[Point]) -> Point:
    sides = [(gamut[at], gamut[(at + 1) % 3]) for at in range(3)]
    turns = [_cross(start, end, point) for start, end in sides]
    if all(turn >= 0 for turn in turns) or all(turn <= 0 for turn in turns):
        return point
    return min((_closest(start, end, point) for start, end in sides), key=lambda at: _far(at, point))


def _cross(start: Point, end: Point, point: Point) -> float:
    return (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (point[0] - start[0])


def _far(one: Point, other: Point) -> float:
    return (one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2


def _closest(start: Point, end: Point, point: Point) -> Point:
    across = (end[0] - start[0], end[1] - start[1])
    along = (point[0] - start[0]) * across[0] + (point[1] - start[1]) * across[1]
    part = min(max(along / (_far(start, end) or 1.0), 0.0), 1.0)
    return (start[0] + part * across[0], start[1] + part * across[1])
