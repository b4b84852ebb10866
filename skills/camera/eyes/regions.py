"""Which parts of a picture are looked at by themselves: squares that cover all of it, or the neighbourhood of what moved.

It does not look. Places are shares of the picture.
"""

from collections.abc import Sequence

from dobby import Box, around


def tiles(shape: Sequence[int]) -> list[Box]:
    """Squares that cover a picture of this height and width from side to side, as the regions that make them."""
    high, wide = shape
    share, count = min(1.0, high / wide), max(1, round(wide / high + 0.2))
    steps = [index / max(1, count - 1) * (1 - share) for index in range(count)]
    return [Box("", "", 0, x + share / 6, 1 / 6, share / 1.5, 1 / 1.5) for x in steps]


def cut_off(box: Box, tile: Box) -> bool:
    """Does a side of the square around a region (half as large again) cut through it, where the picture goes on?"""
    left, right = tile.x - tile.w / 4, tile.x + 1.25 * tile.w
    return (left > 0.01 and box.x < left + 0.01) or (right < 0.99 and box.x + box.w > right - 0.01)


def joined(boxes: Sequence[Box]) -> list[Box]:
    """Neighbours as one region, where it stays small."""
    regions: list[Box] = []
    for box in boxes:
        near = next((region for region in regions if max(around((region, box)).w, around((region, box)).h) < 0.3), None)
        regions = [around((region, box)) if region is near else region for region in regions] if near else [*regions, box]
    return regions
