"""The ways to people that the config names beside the page and the console: made, started, watched, closed.

One that cannot be had is named with what to do about it, and the rest goes on. It does not know any provider.
"""

from collections.abc import Callable, Mapping, Sequence

from dobby.alive import Dobby
from dobby.bridge import Way
from dobby.errors import ConfigError


def add_bridges(dobby: Dobby) -> None:
    """Every way that is switched on, so that what is owed there waits for it."""
    for name, make in REMOTE.items():
        try:
            dobby.remote.extend(make(dobby))
        except ImportError:
            dobby.broken[name] = f"The {name} bridge needs more: pip install 'dobby[{name}]'."
        except ConfigError as error:
            dobby.broken[name] = str(error)
    dobby.desk.post.bridges.update({way.name: way for way in dobby.remote})


def start_bridges(dobby: Dobby) -> None:
    """Texts may come from now on."""
    for way in dobby.remote:
        way.hear = dobby.butler.hear
        dobby.desk.spawn(way.run(), f"way {way.name}")


async def close_bridges(dobby: Dobby) -> None:
    """Hang up; what is owed stays a row."""
    for way in dobby.remote:
        await way.aclose()


def _telegram(dobby: Dobby) -> Sequence[Way]:
    if not dobby.config.telegram.on:
        return []
    token = dobby.vault.of("telegram").get("token", "")
    if not token:
        raise ConfigError("telegram.on is true, but there is no token yet: `dobby telegram setup` takes it.")
    from dobby.bridge.provider.telegram import Telegram

    folder = dobby.folder / "attachments"
    return [Telegram(dobby.store, dobby.people, dobby.clock, folder, token, api=dobby.config.telegram.api)]


def _twilio(dobby: Dobby) -> Sequence[Way]:
    config, vault = dobby.config.whatsapp, dobby.vault
    if not config.account:
        return []
    if not vault.of("twilio").get("token"):
        raise ConfigError("whatsapp.account is set, but there is no token yet: `dobby whatsapp setup` takes it.")
    from dobby.bridge.provider.webhook import open_senders

    place = (dobby.store, dobby.people, dobby.clock, dobby.folder / "attachments")
    return open_senders(*place, config, vault.part("twilio"), dobby.desk.post.moved)


REMOTE: Mapping[str, Callable[[Dobby], Sequence[Way]]] = {"telegram": _telegram, "whatsapp": _twilio}
