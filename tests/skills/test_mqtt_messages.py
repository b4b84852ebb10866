"""What an MQTT announcement becomes and how payloads read: tables of real forms, and fuzz. No network."""

import json
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from dobby import Device, Refused, Value
from dobby.paths import shipped
from dobby.skill.load import load_skill

load_skill(shipped("skills") / "mqtt")
catalog, templates, discovery, entity, announcement = (
    import_module(f"dobby_skill_mqtt.{name}") for name in ("catalog", "templates", "discovery", "entity", "announcement")
)

Config = dict[str, Any]


def one(component: str, config: Config, name: str = "x") -> Any:
    """The life of one announced entity."""
    book = catalog.Catalog("broker:1883")
    book.take(f"homeassistant/{component}/{name}/config", json.dumps(config).encode())
    [device] = book.devices()
    return book.get(device.id)


def hear(life: Any, topic: str, payload: str) -> dict[str, Value]:
    life.hear(topic, entity.Message(payload.encode()))
    return dict(life.state)


def say(life: Any, **wanted: Value) -> list[tuple[str, str]]:
    return [(order.topic, order.payload) for order in life.entity.orders(wanted)]


FORMS = json.loads(Path(__file__).with_name("mqtt_forms.json").read_text("utf-8"))


@pytest.mark.parametrize("form", FORMS["components"], ids=lambda form: form["component"])
def test_a_component_reads_and_says_its_traits(form: Config) -> None:
    life = one(form["component"], form["announced"])
    for topic, payload in form["heard"]:
        hear(life, topic, payload)
    assert life.state == form["read"]
    assert say(life, **form["wanted"]) == [tuple(order) for order in form["sent"]]


@pytest.mark.parametrize(
    ("config", "payload", "value", "unit"),
    [
        ({"unit_of_meas": "°F", "dev_cla": "temperature"}, "68", 20, "°C"),
        ({"unit_of_meas": "K", "dev_cla": "temperature"}, "293.15", 20, "°C"),
        ({"unit_of_meas": "kWh", "val_tpl": "{{ value_json.e / 1000 }}"}, '{"e": 1500}', 1.5, "kWh"),
        ({"unit_of_meas": "W", "val_tpl": "{{ value_json.a[0].w | float | round(1) }}"}, '{"a":[{"w":"41.26"}]}', 41.3, "W"),
        ({"stat_cla": "measurement"}, "not a number", None, ""),
        ({}, "ringing", "ringing", ""),
    ],
)
def test_a_sensor_is_in_the_houses_units(config: Config, payload: str, value: Value, unit: str) -> None:
    life = one("sensor", {"stat_t": "s", **config})
    assert hear(life, "s", payload).get("value") == value
    assert life.entity.device.traits["value"].unit == unit
    assert not life.entity.device.traits["value"].settable


def test_a_colour_that_comes_back_rounded_is_the_one_that_was_meant() -> None:
    life = one("light", {"schema": "json", "cmd_t": "l/set", "stat_t": "l", "sup_clrm": ["xy"]})
    life.told({"color": "#3366cc"})
    [(_, said)] = say(life, on=True, color="#3366cc")
    assert hear(life, "l", json.dumps({"state": "ON", "color": json.loads(said)["color"]}))["color"] == "#3366cc"
    assert hear(life, "l", '{"color": {"x": 0.7, "y": 0.3}}')["color"] != "#3366cc"


def test_ranges_and_options_come_from_the_announcement() -> None:
    traits = one(
        "climate", {"temp_cmd_t": "t", "temp_stat_t": "t", "temp_unit": "F", "min_temp": 50, "max_temp": 86, "temp_step": 1}
    ).entity
    target = traits.device.traits["target"]
    assert (target.low, target.high, target.step) == (10, 30, 0.56)
    lamp = one(
        "light", {"cmd_t": "l", "clr_temp_cmd_t": "k", "min_mirs": 153, "max_mirs": 500, "fx_cmd_t": "e", "fx_list": ["a", "b"]}
    )
    assert (lamp.entity.device.traits["color_temp"].low, lamp.entity.device.traits["color_temp"].high) == (2000, 6536)
    assert lamp.entity.device.traits["effect"].options == ("a", "b")


@pytest.mark.parametrize(
    ("config", "settable", "echoes", "readable"),
    [
        ({"cmd_t": "c"}, True, True, False),
        ({"cmd_t": "c", "stat_t": "s"}, True, False, True),
        ({"cmd_t": "c", "stat_t": "s", "opt": True}, True, True, True),
        ({"cmd_t": "c", "stat_t": "s", "val_tpl": "{% if value == 'x' %}ON{% endif %}"}, True, True, False),
        ({"cmd_t": "c", "stat_t": "s", "cmd_tpl": "{{ states('lock.front') }}"}, False, False, True),
        ({"stat_t": "s"}, False, False, True),
    ],
)
def test_what_cannot_be_followed_is_read_only_or_told_as_sent(
    config: Config, settable: bool, echoes: bool, readable: bool
) -> None:
    life = one("switch", config)
    spec = life.entity.device.traits["on"]
    assert (spec.settable, spec.echoes) == (settable, echoes)
    assert (hear(life, "s", "ON") == {"on": True}) is readable


# Presence


@pytest.mark.parametrize(
    ("mode", "heard", "available"),
    [
        ("latest", [], None),
        ("latest", [("a", "online"), ("b", '{"state":"offline"}')], False),
        ("any", [("a", "online"), ("b", '{"state":"offline"}')], True),
        ("all", [("a", "online"), ("b", '{"state":"offline"}')], False),
        ("all", [("a", "online"), ("b", '{"state":"online"}')], True),
        ("latest", [("a", "what?"), ("a", "offline")], False),
    ],
)
def test_presence_follows_the_announced_mode(mode: str, heard: list[tuple[str, str]], available: bool | None) -> None:
    signs = [{"t": "a"}, {"t": "b", "val_tpl": "{{ value_json.state }}"}]
    life = one("switch", {"cmd_t": "c", "avty": signs, "avty_mode": mode})
    for topic, payload in heard:
        hear(life, topic, payload)
    assert life.available is available


# Names, devices, families


def family(*announced: tuple[str, Config]) -> dict[str, Device]:
    book = catalog.Catalog("b")
    for number, (component, config) in enumerate(announced):
        book.take(f"homeassistant/{component}/n{number}/config", json.dumps(config).encode())
    return {device.id: device for device in book.devices()}


def test_a_device_with_components_is_read_with_what_they_share() -> None:
    config = {
        "dev": {"ids": "fridge1", "name": "Kitchen fridge", "sa": "Kitchen"},
        "o": {"name": "x"},
        "~": "fr",
        "cmps": {
            "plug": {"p": "switch", "uniq_id": "f_s", "name": None, "cmd_t": "~/set"},
            "t": {"p": "sensor", "uniq_id": "f_t", "name": "Temperature", "unit_of_meas": "°C", "val_tpl": "{{ value_json.t }}"},
            "gone": {"p": "sensor"},
            "off": {"p": "sensor", "uniq_id": "f_o", "en": False},
        },
        "stat_t": "~/state",
        "avty_t": "~/there",
    }
    found = family(("device", config))
    assert {name: (d.name, d.part_of, d.room, d.protected) for name, d in found.items()} == {
        "mqtt.f_s": ("Kitchen fridge", "", "Kitchen", True),
        "mqtt.f_t": ("Kitchen fridge Temperature", "mqtt.f_s", "Kitchen", True),
    }


@pytest.mark.parametrize(
    ("component", "name", "risk", "protected"),
    [
        ("switch", "Garage relay", "entry", False),
        ("switch", "Garagentor", "entry", False),
        ("switch", "Haustür Öffner", "entry", False),
        ("button", "Gate", "entry", False),
        ("button", "Türöffner", "entry", False),
        ("switch", "Garage light", "", False),
        ("switch", "Garagenlicht", "", False),
        ("button", "Door bell", "", False),
        ("switch", "Irrigation", "", False),
        ("switch", "Outdoor heater", "", False),
        ("switch", "Monitor", "", False),
        ("light", "Garage door lamp", "", False),
        ("switch", "Gefrierschrank", "", True),
        ("switch", "Kühlschrank", "", True),
        ("switch", "Network rack", "", True),
        ("switch", "Router", "", True),
    ],
)
def test_a_name_says_what_to_be_careful_with(component: str, name: str, risk: str, protected: bool) -> None:
    [device] = family((component, {"name": name, "cmd_t": "c"})).values()
    assert (device.risk, device.protected) == (risk, protected)


def test_a_lamp_that_speaks_to_a_locks_topic_is_an_entry() -> None:
    lock = ("lock", {"uniq_id": "k", "cmd_t": "door/set", "stat_t": "door", "dev": {"ids": "1"}})
    lamp = ("light", {"uniq_id": "l", "cmd_t": "door/set", "pl_on": "UNLOCK", "dev": {"ids": "2"}})
    assert family(lock, lamp)["mqtt.l"].risk == "entry"


def test_zigbee2mqtt_comes_first_whichever_was_heard_first() -> None:
    light = {
        "type": "light",
        "features": [{"name": "state", "property": "state", "access": 7, "value_on": "ON", "value_off": "OFF"}],
    }
    rows = [{"ieee_address": "0x01", "friendly_name": "hall/lamp_1", "definition": {"exposes": [light]}}]
    mine = ("zigbee2mqtt/bridge/devices", json.dumps(rows).encode())
    dev = {"ids": ["zigbee2mqtt_0x01"], "name": "hall/lamp_1"}
    settings = {"schema": "json", "cmd_t": "z/set", "stat_t": "z", "uniq_id": "0x01_light_other", "dev": dev}
    other = ("homeassistant/light/0x01/light/config", json.dumps(settings).encode())
    for order in ((mine, other), (other, mine)):
        book = catalog.Catalog("b")
        for topic, payload in order:
            book.take(topic, payload)
        [device] = book.devices()
        assert (device.id, device.name, device.room) == ("mqtt.0x01_light_zigbee2mqtt", "lamp 1", "hall")
        news, _ = book.take(mine[0], b"[]")
        assert news == {device.id}
        assert not book.devices()


def test_a_group_of_lamps_is_not_counted_beside_them() -> None:
    book, topic = catalog.Catalog("broker:1883"), "zigbee2mqtt/all lamps"
    device = {"identifiers": ["zigbee2mqtt_122_9"], "manufacturer": "Zigbee2MQTT", "model": "Group", "name": "all lamps"}
    group = {"unique_id": "9_light_zigbee2mqtt", "schema": "json", "state_topic": topic, "command_topic": f"{topic}/set"}
    book.take("homeassistant/light/122_9/light/config", json.dumps(group | {"device": device}).encode())
    assert book.devices() == []
    book.take("homeassistant/light/x/light/config", json.dumps(group | {"device": device | {"model": "LCT001"}}).encode())
    assert len(book.devices()) == 1


@pytest.mark.parametrize("form", FORMS["zigbee"], ids=lambda form: form["expose"]["type"])
def test_zigbee2mqtts_exposes_read_and_say_the_same_traits(form: Config) -> None:
    book = catalog.Catalog("b")
    rows = [{"ieee_address": "0x01", "friendly_name": "Thing", "definition": {"exposes": [form["expose"]]}}]
    book.take("zigbee2mqtt/bridge/devices", json.dumps(rows).encode())
    [device] = book.devices()
    life = book.get(device.id)
    assert hear(life, "zigbee2mqtt/Thing", form["heard"]) == form["read"]
    assert say(life, **form["wanted"]) == [("zigbee2mqtt/Thing/set", form["sent"])]
    assert life.entity.ask.topic == "zigbee2mqtt/Thing/get"


def test_an_open_window_is_on() -> None:
    row = {"type": "binary", "name": "contact", "property": "contact", "access": 1, "value_on": False, "value_off": True}
    book = catalog.Catalog("b")
    rows = [{"ieee_address": "0x01", "friendly_name": "Window", "definition": {"exposes": [row]}}]
    book.take("zigbee2mqtt/bridge/devices", json.dumps(rows).encode())
    [device] = book.devices()
    assert device.device_class == "door"
    assert hear(book.get(device.id), "zigbee2mqtt/Window", '{"contact": false}') == {"on": True}


# Templates


@pytest.mark.parametrize(
    ("template", "payload", "value"),
    [
        ("{{ value }}", "x", "x"),
        ("{{value_json.a.b}}", '{"a":{"b":3}}', 3),
        ("{{ value_json['a b'][\"c\"] }}", '{"a b":{"c":true}}', True),
        ("{{ value_json.a | default('none') }}", "{}", "none"),
        ("{{ value_json.a }}", "{}", None),
        ("{{ value_json.a }}", "no json", None),
        ("{{ (value_json.a | float + 1) * 2 }}", '{"a":"1.5"}', 5.0),
        ("{{ value_json.a / 0 }}", '{"a":1}', None),
        ("{{ value | lower | trim }}", " AB ", "ab"),
        ("{{- value_json.l[1] -}}", '{"l":[1,2]}', 2),
        ("pre {{ value }} post", "x", "pre x post"),
    ],
)
def test_a_simple_template_picks_a_value(template: str, payload: str, value: Any) -> None:
    names = frozenset({"value", "value_json"})
    assert templates.compiled(template, names)(entity.Message(payload.encode()).scope) == value


@pytest.mark.parametrize(
    "template",
    [
        "{% for i in range(10**9) %}x{% endfor %}",
        "{{ ''.__class__.__mro__ }}",
        "{{ self }}",
        "{{ value.__class__() }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ value if value else 0 }}",
        "{{ " + "(" * 500 + "1" + ")" * 500 + " }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ value | attr('x') }}",
        "{{ 1 + 2 * 3 }}",
        "{{ value",
        7,
    ],
)
def test_a_template_with_anything_like_code_is_not_followed(template: Any) -> None:
    with pytest.raises(templates.Unsupported):
        templates.compiled(template, frozenset({"value", "value_json"}))


# Fuzz

WORDS = st.sampled_from(
    [
        "stat_t",
        "cmd_t",
        "name",
        "uniq_id",
        "dev",
        "avty",
        "val_tpl",
        "cmd_tpl",
        "schema",
        "json",
        "~",
        "~/x",
        "a/b",
        "#",
        "{{value_json.a}}",
        "bri_scl",
        "bri_cmd_t",
        "sup_clrm",
        "modes",
        "fx_list",
        "pos_t",
        "set_pos_t",
        "pos_open",
        "min_temp",
        "temp_cmd_t",
        "temp_unit",
        "F",
        "cmps",
        "p",
        "exposes",
        "definition",
        "features",
        "ieee_address",
        "friendly_name",
        "type",
        "light",
        "access",
        "property",
        "template",
    ]
)
LEAVES = st.none() | st.booleans() | st.integers(-1000, 10**30) | st.floats() | st.text(max_size=8) | WORDS
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=4), inner, max_size=8),
    max_leaves=30,
)
COMPONENTS = st.sampled_from([*(name for name, row in announcement.table().items() if "kind" in row), "device", "nonsense"])


@settings(max_examples=60, deadline=None)
@given(
    COMPONENTS, st.dictionaries(WORDS, TREES, max_size=14), st.binary(max_size=60) | TREES.map(lambda t: json.dumps(t).encode())
)
def test_no_announcement_and_no_message_breaks_the_catalog(component: str, config: Config, payload: bytes) -> None:
    book = catalog.Catalog("b")
    _, listen = book.take(f"homeassistant/{component}/x/config", json.dumps(config).encode())
    for device in book.devices():
        assert device.name.isprintable()
        assert len(device.name) <= 161
        for topic in listen:
            assert not set("+#\0") & set(topic)
            book.take(topic, payload)
        for trait, spec in device.traits.items():
            try:
                for order in book.get(device.id).entity.orders({trait: 1 if spec.type == "number" else "x"}):
                    assert not set("+#\0") & set(order.topic)
            except Refused as refused:
                assert str(refused)
    assert not any("broke the reader" in line for line in book._lines)


@settings(max_examples=80, deadline=None)
@given(TREES)
def test_no_list_of_zigbee_devices_breaks_the_catalog(tree: Any) -> None:
    book = catalog.Catalog("b")
    row = {"ieee_address": "0x1", "friendly_name": "a/b", "definition": {"exposes": tree if isinstance(tree, list) else [tree]}}
    book.take("zigbee2mqtt/bridge/devices", json.dumps([row, tree]).encode())
    book.devices()


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="{}()[]|.'\"+-*/% abcvalue_json0123", max_size=40))
def test_no_template_breaks_the_reader(source: str) -> None:
    try:
        templates.compiled("{{" + source + "}}", frozenset({"value", "value_json"}))({"value": "1", "value_json": {"a": [1]}})
    except templates.Unsupported as error:
        assert str(error)


def test_a_skip_is_one_line_and_the_readers_own_faults_are_named(caplog: Any) -> None:
    caplog.set_level("INFO", "dobby")
    book = catalog.Catalog("b")
    for _ in range(5):
        book.take("homeassistant/light/x/config", b"{")
    assert len(caplog.records) == 1
    assert "\n" not in caplog.records[0].getMessage()


def test_a_thousand_messages_are_read_in_a_fraction_of_a_second() -> None:
    life = one("light", {"schema": "json", "cmd_t": "l/set", "stat_t": "l", "sup_clrm": ["rgb", "color_temp"], "bri_scl": 254})
    began = time.process_time()
    for number in range(1_000):
        hear(life, "l", json.dumps({"state": "ON", "brightness": number % 255, "color_temp": 300}))
    assert time.process_time() - began < 0.5
