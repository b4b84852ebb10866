"""Three conversations of twenty turns with a whole Dobby, a scripted model and the dollhouse; what the house became counts."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import pytest
import yaml

from dobby.alive import Dobby
from dobby.dollhouse.house import Dollhouse, open_dollhouse
from dobby.dollhouse.scripted import Line, Scripted, lines
from dobby.house.load import PlainYaml
from dobby.journal import ledger
from tests.patience import until
from tests.running import SHIPPED, ask, at_home

TALKS = Path(__file__).with_name("talks")
FAMILIES = ("mqtt", "sonos", "screenlogic")
NEEDED = ("mqtt.front_door", "mqtt.freezer", "screenlogic.00c033010203_pool", "mqtt.0x00158d0001a2b3c4_light_zigbee2mqtt")
SDK = anthropic.__version__  # loaded here: it takes seconds


@asynccontextmanager
async def whole(folder: Path, script: list[Line]) -> AsyncIterator[tuple[Dobby, Scripted, Dollhouse]]:
    async with AsyncExitStack() as stack:
        server = Scripted(script)
        address = await server.open()
        stack.push_async_callback(server.aclose)
        doll = await open_dollhouse(FAMILIES, port=0)
        stack.push_async_callback(doll.aclose)
        skills: dict[str, Any] = {"off": [name for name in SHIPPED if name not in FAMILIES], **doll.skills}
        model = {"mind": "scripted", "base_url": address, "seconds": 10.0}
        dobby = await stack.enter_async_context(at_home(folder, skills=skills, model=model))
        await until(
            lambda: all(dobby.house.get(device) for device in NEEDED) and sum(1 for d in dobby.house if d.kind == "speaker") == 3
        )
        await until(lambda: dobby.house.state.of("mqtt.bedroom_blinds").get("position") == 100)
        yield dobby, server, doll


@pytest.mark.parametrize("name", ["morning", "party", "pool"])
async def test_a_conversation_of_twenty_turns_ends_with_the_house_as_it_should_be(name: str, tmp_path: Path) -> None:
    talk = yaml.load((TALKS / f"{name}.yaml").read_text("utf-8"), PlainYaml)
    assert len(talk["say"]) == 20
    async with whole(tmp_path, lines(talk["model"], name)) as (dobby, server, doll):
        told = [(await ask(tmp_path, text))[0] for text in talk["say"]]
        await until(lambda: dobby.butler.idle)
        assert not server.lost, server.lost
        unused = [line.said or line.after for line in server.script if not line.used]  # type: ignore[union-attr]
        assert not unused, (unused, list(zip(talk["say"], told, strict=True)))
        for device, wanted in talk["house"].items():
            true = doll.truth(device)
            assert {trait: true.get(trait) for trait in wanted} == pytest.approx(wanted, abs=0.6), (device, told)
        opened = await dobby.store.read(lambda db: ledger.latest(db, 500))
        assert not [row for row in opened if row.call.device in talk["never"] and row.state == "done" and row.risk == "entry"]
        assert not any("model" in text for text in told), told
        used = server.usage[1:]
        share = sum(row["cache_read_input_tokens"] for row in used) / sum(
            sum(row.values()) - row["output_tokens"] for row in used
        )
        assert share >= 0.9
