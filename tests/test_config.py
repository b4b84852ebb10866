"""`dobby.toml`: read strictly, told in words, never written."""

from pathlib import Path
from typing import Any

import pytest

from dobby.config import Config, parse_config, read_config
from dobby.errors import ConfigError
from dobby.paths import shipped


def test_no_file_is_all_defaults(tmp_path: Path) -> None:
    config = read_config(tmp_path / "dobby.toml")
    assert config == Config()
    assert (config.web.host, config.zone) == ("127.0.0.1", None)


@pytest.mark.parametrize(
    ("table", "key", "near"),
    [
        ({"hause": {}}, "hause", "'house'"),
        ({"house": {"langage": "en"}}, "house.langage", "'language'"),
        ({"web": {"prot": 80}}, "web.prot", "'port'"),
        ({"skills": {"folder": ["x"]}}, "skills.folder", "'folders'"),
        ({"discovery": {"interface": []}}, "discovery.interface", "'interfaces'"),
        ({"owner": {"xyz": 1}}, "owner.xyz", "Known are name"),
    ],
)
def test_an_unknown_key_names_the_nearest_one(table: dict[str, Any], key: str, near: str) -> None:
    with pytest.raises(ConfigError, match=f"^dobby.toml: {key} is not known") as caught:
        parse_config(table)
    assert near in str(caught.value)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"web": 1}, "web must be a table"),
        ({"web": {"port": "80"}}, "web.port must be a whole number, not '80'"),
        ({"web": {"port": True}}, "web.port must be a whole number"),
        ({"web": {"port": 70000}}, "it can be 0"),
        ({"web": {"on": 1}}, "web.on must be true or false"),
        ({"web": {"hosts": "dobby.lan"}}, "web.hosts must be a list of texts"),
        ({"web": {"hosts": ["dobby.lan", 1]}}, "web.hosts must be a list of texts"),
        ({"owner": {"name": 7}}, "owner.name must be a text"),
        ({"house": {"units": "imperial"}}, '"metric" or "us"'),
        ({"house": {"time_zone": "Berlin"}}, 'say it like "Europe/Berlin"'),
        ({"house": {"time_zone": "../../etc/passwd"}}, "is not known"),
        ({"house": {"time_zone": "Europe"}}, "is not known"),
        ({"skills": []}, "skills must be a table"),
        ({"skills": {"levels": "guarded"}}, "skills.levels must be a table"),
        ({"skills": {"levels": {"kettle.boil": "never"}}}, '"read", "act" or "guarded"'),
        ({"skills": {"levels": {"kettle.boil": ["act"]}}}, '"read", "act" or "guarded"'),
    ],
)
def test_a_wrong_value_is_named_with_its_key_and_what_it_can_be(table: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(table)
    assert words in str(caught.value)


def test_each_skill_has_a_table_of_its_own_that_only_it_understands() -> None:
    config = parse_config({"skills": {"off": ["sonos"], "mqtt": {"at": ["10.0.0.2"], "anything": {"deep": 1}}}})
    assert config.skills.own == {"mqtt": {"at": ["10.0.0.2"], "anything": {"deep": 1}}}
    assert config.skills.off == ("sonos",)


def test_the_owners_skills_stand_beside_the_file_and_before_the_shipped_ones(tmp_path: Path) -> None:
    (tmp_path / "dobby.toml").write_text('[skills]\nfolders = ["mine", "/opt/skills"]\n')
    assert read_config(tmp_path / "dobby.toml").skills.places == [tmp_path / "mine", Path("/opt/skills"), shipped("skills")]


def test_a_zone_and_every_section_are_understood(tmp_path: Path) -> None:
    (tmp_path / "dobby.toml").write_text(
        '[house]\nlanguage = "de"\nunits = "us"\ntime_zone = "Europe/Berlin"\n[owner]\nname = "Anna"\n'
        '[web]\nhost = "0.0.0.0"\nport = 80\nhosts = ["dobby.lan"]\n[discovery]\non = false\ninterfaces = ["10.0.0.1"]\n'
        '[skills.levels]\n"kettle.boil" = "guarded"\n'
    )
    config = read_config(tmp_path / "dobby.toml")
    assert str(config.zone) == "Europe/Berlin"
    assert (config.owner.name, config.web.hosts, config.discovery.on) == ("Anna", ("dobby.lan",), False)
    assert config.skills.levels == {"kettle.boil": "guarded"}


@pytest.mark.parametrize("text", [b"[house\n", b"\xff\xfe", b'house = "a'])
def test_a_file_that_is_no_toml_is_said_with_its_path(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "dobby.toml").write_bytes(text)
    with pytest.raises(ConfigError, match=r"dobby\.toml cannot be read"):
        read_config(tmp_path / "dobby.toml")


def test_a_folder_in_the_files_place_is_said(tmp_path: Path) -> None:
    (tmp_path / "dobby.toml").mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path / "dobby.toml")
