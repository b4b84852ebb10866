"""Draws one picture from numbers: run as a program of its own, JSON on stdin, a PNG on stdout.

Four sorts: `lines` over time, `bars` of equal stretches, `spans` of states, the `plan` of a house's rooms. What is not known is
left out and shaded, never bridged; bars begin at zero. It does not know the house nor any language: every word comes with the
numbers.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

INK, SOFT, GRID, SHADE, PAPER = "#1f2a2c", "#6b7a7d", "#e3e9ea", "#eef1f2", "#ffffff"
COLORS = ("#1f7a74", "#d9822b", "#4f6bd0", "#b0446f")  # apart for the colour-blind too, and in grey
STATES = ("#1f7a74", "#d9822b", "#4f6bd0", "#b0446f", "#8a6d3b", "#5b8c5a")
LOOSE = {"facecolor": "#bcdad7", "edgecolor": COLORS[0], "hatch": "////"}  # not over yet, or an estimate
SIZE, DPI = (5.4, 3.5), 220  # inches: sized for a phone's width
matplotlib.rcParams |= {"font.family": "DejaVu Sans", "font.size": 9.5, "axes.linewidth": 0.8, "text.parse_math": False}

Row = Mapping[str, Any]


def draw(wanted: Row) -> Figure:
    """The picture of what `chart.py` asks for."""
    if wanted["kind"] == "plan":
        return _plan(wanted)
    zone = ZoneInfo(wanted["zone"])
    figure = Figure(figsize=SIZE, facecolor=PAPER)
    axes = figure.add_axes((0.105, 0.135, 0.865, 0.645))
    {"lines": _lines, "bars": _bars, "spans": _spans}[wanted["kind"]](axes, wanted, zone)
    _dress(axes, wanted)
    figure.text(0.022, 0.945, _cut(wanted["title"], 52), color=INK, fontsize=12.5, fontweight="bold", va="center")
    figure.text(0.022, 0.802, wanted["unit"] if wanted["kind"] != "spans" else "", color=SOFT, fontsize=8.6, va="center")
    if wanted.get("mean"):
        figure.text(0.97, 0.802, f"╌╌ {wanted['words']['mean']}", color="#9a5a14", fontsize=8.6, va="center", ha="right")
    figure.text(0.022, 0.868, _cut(wanted["below"], 84), color=SOFT, fontsize=8.8, va="center")
    return figure


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"


def _dress(axes: Axes, wanted: Row) -> None:
    axes.set_facecolor(PAPER)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(SOFT)
    axes.tick_params(axis="both", length=0, colors=SOFT, labelsize=8.6, pad=4)
    axes.set_axisbelow(True)
    if wanted["kind"] != "spans":
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        _scale(axes, wanted["comma"])


def _scale(axes: Axes, comma: bool) -> None:
    """Numbers at the side, all with as many digits as their step needs."""
    ticks = [float(tick) for tick in axes.get_yticks()]
    digits = next((count for count in (0, 1, 2) if all(abs(tick - round(tick, count)) < 1e-9 for tick in ticks)), 3)
    axes.yaxis.set_major_formatter(lambda value, _: _number(value, digits, comma))


def _number(value: float, digits: int, comma: bool) -> str:
    text = f"{value:.{digits}f}".replace("-", "−")
    return text.replace(".", ",") if comma else text


# Over time


def _time(axes: Axes, wanted: Row, zone: tzinfo) -> None:
    since, until = (datetime.fromtimestamp(wanted[end], zone) for end in ("since", "until"))
    axes.set_xlim(wanted["since"], wanted["until"])
    ticks = list(_ticks(since, until, wanted))
    axes.set_xticks([at for at, _ in ticks], [text for _, text in ticks])
    for start, end in wanted["gaps"]:
        _shade(axes, start, end, wanted, (end - start) / (wanted["until"] - wanted["since"]))


def _ticks(since: datetime, until: datetime, wanted: Row) -> Sequence[tuple[float, str]]:
    """Whole hours, days or months of the house's own time, six or so."""
    hours = (until - since).total_seconds() / 3600
    names = wanted["words"]
    if hours <= 60:
        step = next(one for one in (1, 2, 3, 4, 6, 12) if hours / one <= 8 or one == 12)
        at = since.replace(minute=0, second=0, microsecond=0)
        rows = [(at + timedelta(hours=n)) for n in range(int(hours) + 2)]
        marks = [(row, _hour(row, wanted)) for row in rows if row.hour % step == 0]
    elif hours <= 100 * 24:
        days = hours / 24
        step = next(one for one in (1, 2, 3, 5, 7, 14, 28) if days / one <= 8 or one == 28)
        at = since.replace(hour=0, minute=0, second=0, microsecond=0)
        rows = [at + timedelta(days=n) for n in range(0, int(days) + 2, step)]
        marks = [(row, _weekday(row, wanted) if days <= 8 else _day(row, names)) for row in rows]
    else:
        months = hours / 24 / 30
        step = next(one for one in (1, 2, 3, 6, 12) if months / one <= 8 or one == 12)
        first = since.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        rows = [_month(first, n) for n in range(0, int(months) + 2, step)]
        marks = [(row, f"{names['months'][row.month - 1]}" + (f"\n{row.year}" if row.month == 1 else "")) for row in rows]
    last = until - 0.03 * (until - since)  # a word at the very end would be cut
    return [(row.timestamp(), text) for row, text in marks if since <= row <= last]


def _day(at: datetime, names: Row) -> str:
    return str(names["date"]).format(day=at.day, month=names["months"][at.month - 1])


def _weekday(at: datetime, wanted: Row) -> str:
    return f"{wanted['words']['days'][at.weekday()]} {at.day}{'.' if wanted['comma'] else ''}"


def _month(first: datetime, count: int) -> datetime:
    month = first.month - 1 + count
    return first.replace(year=first.year + month // 12, month=month % 12 + 1)


def _hour(at: datetime, wanted: Row) -> str:
    text = at.strftime("%-I %p").lower() if wanted["twelve"] else at.strftime("%H:%M")
    return f"{text}\n{_day(at, wanted['words'])}" if at.hour == 0 and wanted["until"] - wanted["since"] > 30 * 3600 else text


def _lines(axes: Axes, wanted: Row, zone: tzinfo) -> None:
    _time(axes, wanted, zone)
    several = len(wanted["series"]) > 1
    for color, row in zip(COLORS, wanted["series"], strict=False):
        xs = [at for at, _ in row["points"]]
        ys = [float("nan") if value is None else value for _, value in row["points"]]
        style: dict[str, Any] = {"drawstyle": "steps-post"} if row["step"] else {}
        axes.plot(xs, ys, color=color, linewidth=1.9, solid_capstyle="round", solid_joinstyle="round", label=row["name"], **style)
        _lonely(axes, xs, ys, color)
        if row["step"] and not several:
            axes.fill_between(xs, ys, color=color, alpha=0.13, step="post", linewidth=0)
        if not several:
            _ends(axes, xs, ys, color, wanted, low=not row["step"])
    known = [value for row in wanted["series"] for _, value in row["points"] if value is not None]
    low, high = min(known), max(known)
    spread = max(high - low, wanted["least"], 1e-9)
    floor = 0.0 if any(row["step"] for row in wanted["series"]) and low >= 0 else (low + high - spread) / 2 - 0.17 * spread
    axes.set_ylim(floor, (low + high + spread) / 2 + 0.17 * spread)
    if several:
        _legend(axes, 2)


def _legend(axes: Axes, columns: int) -> None:
    look: dict[str, Any] = {"frameon": False, "fontsize": 8.4, "labelcolor": INK, "handlelength": 1.1, "columnspacing": 1.2}
    axes.legend(loc="lower left", bbox_to_anchor=(-0.03, 0.985), ncols=columns, borderpad=0, **look)


def _lonely(axes: Axes, xs: Sequence[float], ys: Sequence[float], color: str) -> None:
    """A value between two gaps is a dot: a line of one point shows nothing."""
    known = [False, *(y == y for y in ys), False]
    alone = [place for place in range(len(ys)) if known[place + 1] and not known[place] and not known[place + 2]]
    axes.plot([xs[place] for place in alone], [ys[place] for place in alone], "o", color=color, markersize=3)


def _ends(axes: Axes, xs: Sequence[float], ys: Sequence[float], color: str, wanted: Row, *, low: bool) -> None:
    """The highest and, if `low`, the lowest, marked."""
    known = [place for place, y in enumerate(ys) if y == y]
    if len(known) < 3:
        return
    least, most = min(known, key=ys.__getitem__), max(known, key=ys.__getitem__)
    for place, up in ((least, -1), (most, 1)) if low else ((most, 1),):
        if ys[least] == ys[most]:
            return
        share = (xs[place] - wanted["since"]) / (wanted["until"] - wanted["since"])
        side = "left" if share < 0.12 else "right" if share > 0.88 else "center"
        axes.plot(xs[place], ys[place], "o", color=color, markersize=4.5, markeredgecolor=PAPER, markeredgewidth=1, zorder=4)
        label = _number(ys[place], wanted["digits"], wanted["comma"])
        look: dict[str, Any] = {"color": INK, "fontsize": 8.6, "fontweight": "bold", "ha": side, "va": "center"}
        axes.annotate(label, (xs[place], ys[place]), (0, 9 * up), textcoords="offset points", **look)


# Amounts


def _bars(axes: Axes, wanted: Row, zone: tzinfo) -> None:
    rows = wanted["bars"]
    values = [row["value"] or 0.0 for row in rows]
    top = max([*values, 1e-9])
    digits = 0 if top >= 30 else 1 if top >= 3 else 2
    for place, row in enumerate(rows):
        if row["value"] is None:
            continue
        look: dict[str, Any] = {"facecolor": COLORS[0]} if row["sure"] else LOOSE
        axes.bar(place, row["value"], width=0.74, linewidth=0, zorder=2, **look)
        if len(rows) <= 14 and row["value"] >= top / 200:
            label = _number(row["value"], digits, wanted["comma"])
            axes.annotate(label, (place, row["value"]), (0, 3), textcoords="offset points", ha="center", color=INK, fontsize=7.6)
    _unknown(axes, rows, wanted)
    axes.set_ylim(0, top * 1.13)
    axes.set_xlim(-0.6, len(rows) - 0.4)
    step = next((one for one in (1, 2, 3, 4, 5, 6, 7, 12, 24) if len(rows) / one <= 9), 30)
    shown = list(range(0, len(rows), step))
    axes.set_xticks(shown, [_bar_name(rows[place]["at"], wanted, zone) for place in shown])
    if wanted["mean"]:
        axes.axhline(wanted["mean"], color="#d9822b", linewidth=1.3, linestyle=(0, (4, 3)), zorder=3)


def _unknown(axes: Axes, rows: Sequence[Row], wanted: Row) -> None:
    """Stretches of which nothing is known, each with its word where there is room."""
    marks = [False, *(row["value"] is None for row in rows), False]
    starts = [place for place in range(len(rows)) if marks[place + 1] and not marks[place]]
    ends = [place for place in range(1, len(rows) + 1) if marks[place] and not marks[place + 1]]
    for start, end in zip(starts, ends, strict=True):
        _shade(axes, start - 0.5, end - 0.5, wanted, (end - start) / len(rows))


def _shade(axes: Axes, start: float, end: float, wanted: Row, share: float) -> None:
    axes.axvspan(start, end, facecolor=SHADE, edgecolor="#cfd7d9", hatch="///", linewidth=0, zorder=0.5)
    if share > 0.13:
        across = axes.get_xaxis_transform()
        look: dict[str, Any] = {"ha": "center", "color": SOFT, "fontsize": 8.2}
        paper = {"facecolor": SHADE, "edgecolor": "none", "pad": 2}
        axes.text((start + end) / 2, 0.05, wanted["words"]["gap"], transform=across, bbox=paper, **look)


def _bar_name(at: float, wanted: Row, zone: tzinfo) -> str:
    moment, names = datetime.fromtimestamp(at, zone), wanted["words"]
    if wanted["each"] == "hour":
        return moment.strftime("%-I %p").lower() if wanted["twelve"] else moment.strftime("%H:%M")
    if wanted["each"] == "month":
        return f"{names['months'][moment.month - 1]}" + (f"\n{moment.year}" if moment.month == 1 else "")
    return _weekday(moment, wanted) if len(wanted["bars"]) <= 8 else _day(moment, names)


# States


def _spans(axes: Axes, wanted: Row, zone: tzinfo) -> None:
    _time(axes, wanted, zone)
    rows = wanted["series"]
    names = list(dict.fromkeys(span["name"] for row in rows for span in row["spans"]))
    colors = {name: STATES[place % len(STATES)] for place, name in enumerate(name for name in names if name not in wanted["off"])}
    for place, row in enumerate(reversed(rows)):
        for span in row["spans"]:
            color = colors.get(span["name"], "#d7dee0")
            axes.barh(place, span["until"] - span["at"], left=span["at"], height=0.46, color=color, linewidth=0, zorder=2)
        axes.text(
            0, place + 0.33, _cut(row["name"], 40), transform=axes.get_yaxis_transform(), color=INK, fontsize=9.2, va="bottom"
        )
    axes.set_yticks([])
    axes.set_ylim(-0.55, len(rows) - 0.2)
    shown = [(colors.get(name, "#d7dee0"), name) for name in names][:6]
    for color, name in shown:
        axes.barh(-9, 0, color=color, label=_cut(name, 20))
    _legend(axes, 6)


# Rooms

LINE, PAD, GAP = 0.23, 0.16, 0.13  # inches: a line of a card, its rim, between cards
GLOW = "#f6c445"


def _plan(wanted: Row) -> Figure:
    """Floors one below the other, their rooms as cards in two columns; a phone scrolls down, not across."""
    width, down, cards, heads = (SIZE[0] - 3 * GAP) / 2, 0.82, list[tuple[Row, float, float, float]](), list[tuple[str, float]]()
    for floor in wanted["floors"]:
        if floor["name"]:
            heads.append((floor["name"], down + 0.1))
            down += 0.32
        columns = [down, down]
        for room in floor["rooms"]:
            height = PAD * 2 + LINE * (1.15 + len(room["things"]) + bool(room["more"]))
            side = columns.index(min(columns))
            cards.append((room, GAP + side * (width + GAP), columns[side], height))
            columns[side] += height + GAP
        down = max(columns)
    tall = max(down, 1.5)
    figure = Figure(figsize=(SIZE[0], tall), facecolor="#f3f6f6")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, SIZE[0])
    axes.set_ylim(tall, 0)
    axes.text(GAP, 0.3, _cut(wanted["title"], 44), color=INK, fontsize=13, fontweight="bold", va="center")
    axes.text(GAP, 0.56, wanted["below"], color=SOFT, fontsize=9, va="center")
    for name, at in heads:
        axes.text(GAP, at, _cut(name, 44), color=SOFT, fontsize=9.6, fontweight="bold", va="center")
    for room, left, top, height in cards:
        _card(axes, room, left, top, width, height)
    return figure


def _card(axes: Axes, room: Row, left: float, top: float, width: float, height: float) -> None:
    lit = any(thing["on"] for thing in room["things"])
    look: dict[str, Any] = {"boxstyle": "round,pad=0,rounding_size=0.09", "linewidth": 1, "mutation_aspect": 1}
    axes.add_patch(
        FancyBboxPatch((left, top), width, height, facecolor="#fffaf0" if lit else PAPER, edgecolor=GLOW if lit else GRID, **look)
    )
    at = top + PAD + LINE * 0.4
    axes.text(left + PAD, at, _cut(room["name"], 24), color=INK, fontsize=10.2, fontweight="bold", va="center")
    axes.text(left + width - PAD, at, room["note"], color=SOFT, fontsize=9, va="center", ha="right")
    at += LINE * 1.15
    for thing in room["things"]:
        color = INK if thing["on"] else SOFT
        style: dict[str, Any] = {
            "markerfacecolor": GLOW if thing["on"] else "none",
            "markeredgecolor": GLOW if thing["on"] else "#b8c4c6",
        }
        axes.plot([left + PAD + 0.05], [at], "x" if thing["away"] else "o", markersize=5.4, **style)
        axes.text(left + PAD + 0.2, at, _cut(thing["name"], 26), color=color, fontsize=8.8, va="center")
        axes.text(left + width - PAD, at, thing["state"], color=color, fontsize=8.8, va="center", ha="right")
        at += LINE
    axes.text(left + PAD + 0.2, at, room["more"], color=SOFT, fontsize=8.4, va="center")


if __name__ == "__main__":
    draw(json.load(sys.stdin)).savefig(sys.stdout.buffer, format="png", dpi=DPI)
