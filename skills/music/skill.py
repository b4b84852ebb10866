"""Radio stations by name, a shelf of music for every player; and what people ask of a player: its queue, a sleep timer.

It does not know whether a station is on the air, nor any family of players.
"""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dobby import Device, Hit, Home, Piece, Shelf, act, read

from .words import OFF, apart, minutes, number, say

TOLD = 8  # tracks of a queue in one answer


class Stations:
    """The stations of `stations.toml` and of `[skills.music.stations]`; the owner's replace shipped ones of their name."""

    def __init__(self, own: Mapping[str, Any]) -> None:
        stations = {row["name"].casefold(): _station(**row) for row in _shipped()}
        for name, row in own.items():
            fields = {"url": row} if isinstance(row, str) else row
            stations[name.casefold()] = _station(name=name, **fields)
        self._stations = tuple(stations.values())

    async def look_up(self, what: str) -> Sequence[Hit]:
        """All of them: they are few, and whoever asks compares the names."""
        return self._stations

    async def names(self) -> Sequence[str]:
        """What they are called."""
        return [hit.name for hit in self._stations]


def _shipped() -> list[dict[str, str]]:
    rows: list[dict[str, str]] = tomllib.loads(Path(__file__).with_name("stations.toml").read_text("utf-8"))["station"]
    return rows


def _station(name: str, url: str, more: str = "") -> Hit:
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"the station “{name}” needs an address that begins with http:// or https://")
    return Hit(name, "station", (Piece(url, name),), more)


def shelf(settings: Mapping[str, Any]) -> Shelf:
    """What Dobby's loader asks for: the skill's table in `dobby.toml` -> its music.

    :raises ValueError, TypeError: a station in it is not a name with an address.
    """
    return Stations(settings.get("stations", {}))


@read(says=("[what|which] [radio] stations (are there|do you know|can you play)", "(list|show me) [the|all] radio stations"))
async def stations() -> str:
    """The radio stations that come with Dobby; those of dobby.toml can be played too. Any speaker can play one by name."""
    return f"I know these stations: {', '.join(row['name'] for row in _shipped())}; and those in dobby.toml."


# What people ask of a player


@read(
    says=(
        "(what is|what's|whats|show [me]) [in|on] [the] queue [in [the] {room}|of [the] {room}|on [the] {room}]",
        "(what is|what's|whats) [in|on] the {room} queue",
        "(what is|what's|whats) (up next|playing next|next in the queue) [in [the] {room}|on [the] {room}]",
        "was (ist|steht) [noch] in der (warteschlange|wiedergabeliste) [(in der|im|auf dem|vom|von der) {room}]",
        "was (läuft|kommt) als nächstes [(in der|im|auf dem) {room}]",
    )
)
async def queue(home: Home, room: str = "") -> str:
    """What plays now and what comes after it on the player of a room, by number; without a room, where music plays."""
    player, why = _meant(home, "queue", room)
    if player is None:
        return why
    rows = home.state(player).get("queue")
    if not isinstance(rows, dict) or not rows:
        return say("queue_empty", home.language, name=player.name)
    told = [f"{n}. {title}" for n, title in list(rows.items())[:TOLD]]
    return say("queue", home.language, name=player.name, rows="; ".join(told) + ("; …" if len(rows) > TOLD else ""))


@act(
    says=(
        "(skip|jump|go) to (track|song|number) {track}",
        "(spring|springe|geh|gehe) zu (titel|lied|nummer|stück) {track}",
    )
)
async def skip_to(home: Home, track: str, room: str = "") -> str:
    """Go to a number of the queue ("3", "3 in the kitchen") on the player of a room; without a room, where music plays."""
    track, place = apart(track)
    player, why = _meant(home, "track", room or place)
    if player is None:
        return why
    wanted = number(track)
    return await home.set(player, track=wanted) if wanted else say("no_number", home.language, what=track)


@act(
    says=(
        "[(set|start|make|put)] [a|the] sleep timer [of|for|to] {length}",
        "[(set|start|make|put)] (a|the) {room} sleep timer [of|for|to] {length}",
        "{room} sleep timer [of|for|to] {length}",
        "(set|start|make|put) [a|the] {length} sleep timer [(in|on|for) [the] {room}]",
        "(stell|stelle|setz|setze|mach|mache) (in der|im) {room} (einen|den) (sleeptimer|schlaftimer) [auf|von|für] {length}",
        "[(stell|stelle|setz|setze|mach|mache)] [einen|den] (sleeptimer|schlaftimer) (in der|im) {room} [auf|von|für] {length}",
        "[(stell|stelle|setz|setze|mach|mache)] [einen|den] (sleeptimer|schlaftimer) [auf|von|für] {length}",
    )
)
async def sleep_timer(home: Home, length: str, room: str = "") -> str:
    """Let the music of a room stop after so long ("30 minutes", "an hour in the bedroom"); without a room, where it plays."""
    length, place = apart(length)
    if length in OFF:
        return await end_sleep_timer(home, room or place)
    player, why = _meant(home, "sleep_timer", room or place)
    if player is None:
        return why
    wanted = minutes(length)
    return await home.set(player, sleep_timer=wanted) if wanted else say("no_length", home.language, what=length)


@read(
    says=(
        "how (long|much time) is [left on] (the|a) sleep timer [(in|on|for) [the] {room}]",
        "is (the|a) sleep timer (on|set|running) [(in|on|for) [the] {room}]",
        "(wie lange läuft|läuft) (der|ein) (sleeptimer|schlaftimer) [noch] [(in der|im) {room}]",
    )
)
async def sleep_left(home: Home, room: str = "") -> str:
    """How many minutes the sleep timer of a room still has; without a room, where music plays."""
    player, why = _meant(home, "sleep_timer", room)
    if player is None:
        return why
    left = home.state(player).get("sleep_timer")
    return say("sleep_left" if left else "sleep_none", home.language, name=player.name, left=left)


@act(
    says=(
        "(cancel|stop|delete|clear|remove|end|forget) [the] sleep timer [(in|on|for) [the] {room}]",
        "(cancel|stop|delete|clear|remove|end|forget) [the] {room} sleep timer",
        "(lösch|lösche|stopp|stoppe|beende|entferne) [den] (sleeptimer|schlaftimer) [(in der|im) {room}]",
    )
)
async def end_sleep_timer(home: Home, room: str = "") -> str:
    """Take the sleep timer of a room away; without a room, where music plays."""
    player, why = _meant(home, "sleep_timer", room)
    return why if player is None else await home.set(player, sleep_timer=0)


def _meant(home: Home, trait: str, room: str) -> tuple[Device | None, str]:
    """The player of a room or name that has this trait, or the one that plays; else why none is meant."""
    players = [one for kind in ("speaker", "tv") for one in home.find(kind=kind)]
    if room:
        named = [
            one
            for one in players
            if room.casefold() in (one.room.casefold(), one.name.casefold(), *map(str.casefold, one.aliases))
        ]
        if not named:
            return None, say("no_player", home.language, room=room, names=_names(players))
    else:
        named = [one for one in players if home.state(one).get("playing") == "playing"] or players
        groups = {str(home.state(one).get("group") or one.id) for one in named}
        if len(groups) > 1:
            return None, say("which", home.language, names=_names(named))
    able = [one for one in named if trait in one.traits]
    return (able[0], "") if able else (None, say(f"no_{trait}", home.language, name=_names(named)))


def _names(players: Sequence[Device]) -> str:
    return ", ".join(one.name for one in players) or "–"
