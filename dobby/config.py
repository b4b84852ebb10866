"""`dobby.toml` as frozen facts: ports, paths, secrets' places, limits. Dobby reads it and never writes it.

An unknown key is an error that names the nearest one. Names, rooms and people are not here: they are said in words.
"""

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType, UnionType
from typing import Any, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

from dobby.errors import ConfigError
from dobby.paths import shipped


@dataclass(frozen=True, slots=True)
class HouseConfig:
    """What holds for everybody who said nothing else. `units` is `metric` or `us`; `time_zone` an IANA name; where the
    house stands, in degrees north and east, tells when its sun rises and sets."""

    language: str = "en"
    units: str = "metric"
    time_zone: str = ""
    latitude: float | None = None
    longitude: float | None = None


@dataclass(frozen=True, slots=True)
class OwnerConfig:
    """The first owner, made at the first start."""

    name: str = "Owner"


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The chat page. Beyond loopback only by an explicit `host`; `hosts` are the names it may be called by."""

    on: bool = True
    host: str = "127.0.0.1"
    port: int = 8321
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TelegramConfig:
    """Writing by Telegram; the token is in the vault (`dobby telegram setup`). `api` is another Bot API server than theirs."""

    on: bool = False
    api: str = "https://api.telegram.org"


SANDBOX = "+14155238886"  # Twilio's WhatsApp sandbox, the same for everybody


@dataclass(frozen=True, slots=True)
class TwilioConfig:
    """Writing by WhatsApp and SMS through Twilio; the auth token is in the vault (`dobby whatsapp setup`).

    `number` is the WhatsApp sender, `sms` the one for SMS ("" for none); `public_url` is the address that a tunnel leads
    to `host` and `port`, as Twilio knows it; `template` and `buttons` are ContentSids: the approved template for messages
    after 24 hours of silence, and one with two quick replies; `api` is another server than Twilio's; `prices` are dollars for
    one message, as in `bridge/provider/prices.toml`.
    """

    account: str = ""
    number: str = ""
    sms: str = ""
    public_url: str = ""
    host: str = "127.0.0.1"
    port: int = 8322
    template: str = ""
    buttons: str = ""
    api: str = "https://api.twilio.com"
    prices: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DiscoveryConfig:
    """Looking around on the network; `interfaces` are addresses of this machine, empty for all of them; `subnets` are private
    networks beyond its own (`10.0.20.0/24`) that are looked into when somebody asks what is there."""

    on: bool = True
    interfaces: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SkillsConfig:
    """Where skills are (beside the file, if not absolute), which are off, levels made stricter (`"kettle.boil" = "guarded"`),
    and each skill's own table."""

    folders: tuple[str, ...] = ()
    off: tuple[str, ...] = ()
    levels: Mapping[str, str] = field(default_factory=dict)
    own: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def places(self) -> list[Path]:
        """The owner's folders first, then what is shipped: the first skill of a name wins."""
        return [*map(Path, self.folders), shipped("skills")]


@dataclass(frozen=True, slots=True)
class RoutinesConfig:
    """The routines, by name, that may open an entry without asking each time they run; for how many minutes routines leave alone
    what a hand has set."""

    entry: tuple[str, ...] = ()
    leave_alone: int = 30


@dataclass(frozen=True, slots=True)
class ScenesConfig:
    """A file of scenes (beside this one, if not absolute) in the form of `dobby/mind/plain/scenes.toml`; "" for none."""

    file: str = ""


@dataclass(frozen=True, slots=True)
class EyesConfig:
    """How cameras are watched. `detector` is `yolox-nano`, a path to an ONNX file, `ultralytics:MODEL` or `motion`; `weights` a
    folder looked into for it; `couriers` a file of names beside the shipped ones; pictures are kept for `days` and `megabytes`.
    """

    on: bool = True
    detector: str = "yolox-nano"
    weights: str = ""
    couriers: str = ""
    days: int = 14
    megabytes: int = 4000


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The model that thinks where plain words end, behind any endpoint that speaks the Messages API.

    `mind`, `eyes` and `small` name models, "" for none (`eyes` and `small` are then the mind's). The key stands in `key_file`,
    else in $ANTHROPIC_API_KEY, else in the vault. `seconds` is what one answer may take, `daily` and `monthly` what may be spent
    in dollars, `prices` dollars for a million tokens in and out by the beginning of a model's name; `search` is "server" or the
    address of a SearXNG; `strict` asks before every act of an errand that has read words from outside; `ears` is a folder with
    Whisper's weights, for voice notes, and needs no model.
    """

    mind: str = ""
    eyes: str = ""
    small: str = ""
    base_url: str = ""
    key_file: str = ""
    seconds: float = 45.0
    daily: float = 2.0
    monthly: float = 30.0
    search: str = ""
    strict: bool = False
    ears: str = ""
    prices: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file."""

    house: HouseConfig = HouseConfig()
    owner: OwnerConfig = OwnerConfig()
    web: WebConfig = WebConfig()
    telegram: TelegramConfig = TelegramConfig()
    whatsapp: TwilioConfig = TwilioConfig()
    discovery: DiscoveryConfig = DiscoveryConfig()
    skills: SkillsConfig = SkillsConfig()
    routines: RoutinesConfig = RoutinesConfig()
    scenes: ScenesConfig = ScenesConfig()
    model: ModelConfig = ModelConfig()
    eyes: EyesConfig = EyesConfig()

    @property
    def place(self) -> tuple[float, float] | None:
        """Where the house stands, in degrees north and east; None where nobody said."""
        north, east = self.house.latitude, self.house.longitude
        return None if north is None or east is None else (north, east)

    @property
    def zone(self) -> ZoneInfo | None:
        """The house's time zone; None is the machine's."""
        return ZoneInfo(self.house.time_zone) if self.house.time_zone else None


def read_config(path: Path | None) -> Config:
    """The file as facts; no file is all defaults.

    :raises ConfigError: it cannot be read, or says something unknown; names the nearest key.
    """
    if path is None or not path.exists():
        return Config()
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    config = parse_config(table, str(path))
    folders = tuple(str(path.absolute().parent / Path(folder).expanduser()) for folder in config.skills.folders)
    file = str(path.absolute().parent / Path(config.scenes.file).expanduser()) if config.scenes.file else ""
    return replace(config, skills=replace(config.skills, folders=folders), scenes=ScenesConfig(file))


def parse_config(table: Mapping[str, Any], where: str = "dobby.toml") -> Config:
    """A parsed file as facts."""
    table = dict(table)
    if isinstance(skills := table.get("skills"), dict):
        table["skills"] = {name: value for name, value in skills.items() if not _is_own(name, value)}
        table["skills"]["own"] = {name: value for name, value in skills.items() if _is_own(name, value)}
    config: Config = _fill(Config, table, where, "")
    _check(config, where)
    return config


def _is_own(name: str, value: Any) -> bool:
    return isinstance(value, dict) and name != "levels"


def _check(config: Config, where: str) -> None:
    if config.house.units not in ("metric", "us"):
        raise ConfigError(f'{where}: house.units is "{config.house.units}"; it can be "metric" or "us".')
    for name, value, most in (("latitude", config.house.latitude, 90), ("longitude", config.house.longitude, 180)):
        if value is not None and not -most <= value <= most:
            raise ConfigError(f"{where}: house.{name} is {value}; it can be -{most} to {most} degrees.")
    for name, port in (("web", config.web.port), ("whatsapp", config.whatsapp.port)):
        if not 0 <= port <= 65535:
            raise ConfigError(f"{where}: {name}.port is {port}; it can be 0 (any free one) to 65535.")
    for tool, level in config.skills.levels.items():
        if level not in ("read", "act", "guarded"):
            raise ConfigError(f'{where}: skills.levels."{tool}" is "{level}"; it can be "read", "act" or "guarded".')
    try:
        _ = config.zone
    except (KeyError, ValueError, OSError) as error:
        raise ConfigError(
            f'{where}: house.time_zone "{config.house.time_zone}" is not known; say it like "Europe/Berlin".'
        ) from error


def _fill(kind: Any, table: Any, where: str, path: str) -> Any:
    """A dataclass from a table, field by field."""
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where}: {path or 'the file'} must be a table.")
    hints = get_type_hints(kind)
    known = [row.name for row in fields(kind)]
    for key in table:
        if key not in known:
            raise ConfigError(f"{where}: {unknown(_dot(path, key), key, known)}")
    return kind(**{key: _value(hints[key], value, where, _dot(path, key)) for key, value in table.items()})


def unknown(path: str, key: str, known: Collection[str]) -> str:
    """That nobody reads what stands there, with the nearest of what is known."""
    near = get_close_matches(key, known, 1, 0.5)
    more = f" Did you mean {near[0]!r}?" if near else f" Known are {', '.join(known) or 'none'}."
    return f"{path} is not known.{more}"


def _dot(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _value(kind: Any, value: Any, where: str, path: str) -> Any:
    if is_dataclass(kind):
        return _fill(kind, value, where, path)
    if isinstance(kind, UnionType):  # a number that may be missing
        kind = get_args(kind)[0]
        value = float(value) if isinstance(value, int) and not isinstance(value, bool) else value
    plain = get_origin(kind) or kind
    if plain is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if plain is tuple:
        item = get_args(kind)[0]
        if not isinstance(value, list) or not all(isinstance(one, item) for one in value):
            raise ConfigError(f"{where}: {path} must be a list of texts, not {value!r}.")
        return tuple(value)
    if plain is Mapping:
        if not isinstance(value, dict):
            raise ConfigError(f"{where}: {path} must be a table.")
        return MappingProxyType(value)
    if not isinstance(value, plain) or (plain is int and isinstance(value, bool)):
        raise ConfigError(f"{where}: {path} must be {_NAMES[plain]}, not {value!r}.")
    return value


_NAMES = {str: "a text", float: "a number", int: "a whole number", bool: "true or false"}
