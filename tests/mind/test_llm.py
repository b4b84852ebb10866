"""The client of a model against a server that speaks the Messages API: patience, back-off, breaker; and that server itself."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dobby.cli import main
from dobby.clock import FixedClock
from dobby.config import ModelConfig, read_config
from dobby.dollhouse.scripted import Line, Scripted, check, read_script
from dobby.errors import ConfigError
from dobby.wits.llm import Answer, Bill, Model, NoModel, Used, price, rate, tokens
from dobby.wits.wire import trial

HELLO = [{"role": "user", "content": [{"type": "text", "text": "tell me a story"}]}]
TOOL = {"name": "set", "description": "d", "input_schema": {"type": "object", "properties": {"x": {"type": "integer"}}}}
STORY = Line("story", text="Once there was a lamp. " * 9)

Opener = Callable[..., Any]


@pytest.fixture
async def endpoint() -> AsyncIterator[Opener]:
    async with AsyncExitStack() as stack:

        async def start(*lines: Line, key: str = "k", server_key: str = "k", **options: Any) -> tuple[Model, Scripted]:
            server = Scripted(list(lines), key=server_key)
            address = await server.open()
            stack.push_async_callback(server.aclose)
            config = {"mind": "m", "base_url": address, "seconds": 5.0} | options.pop("config", {})
            model = Model(ModelConfig(**config), lambda: key, options.pop("clock", FixedClock(1e9)), **{"pause": 0.01, **options})
            stack.push_async_callback(model.aclose)
            return model, server

        yield start


async def fails(model: Model, why: str) -> NoModel:
    with pytest.raises(NoModel) as caught:
        await model.ask("mind", HELLO)
    assert caught.value.why == why
    return caught.value


async def test_an_answer_is_streamed_and_counted(endpoint: Opener) -> None:
    told: list[tuple[str, Answer]] = []

    class Counting:
        async def may(self) -> None: ...

        def meter(self, role: str, answer: Answer) -> Bill:
            told.append((role, answer))
            return lambda db: None

    model, server = await endpoint(STORY, purse=Counting())
    answer = await model.ask("mind", HELLO, system=[{"type": "text", "text": "You are Dobby."}])
    assert answer.text == STORY.text.strip()
    assert answer.stop == "end_turn"
    assert (answer.used.fresh, answer.used.out) == (server.usage[0]["input_tokens"], server.usage[0]["output_tokens"])
    assert [(role, one.used) for role, one in told] == [("mind", answer.used)]
    assert server.requests[0]["stream"] is True


async def test_tools_are_asked_for_with_their_arguments(endpoint: Opener) -> None:
    model, _ = await endpoint(Line(use=[{"set": {"x": 1}}, {"set": {"x": 2}}], text="Both."))
    answer = await model.ask("mind", HELLO, tools=[TOOL])
    assert answer.stop == "tool_use"
    assert [(use.name, use.args, use.broken) for use in answer.uses] == [("set", {"x": 1}, ""), ("set", {"x": 2}, "")]


async def test_arguments_that_are_no_json_are_a_fault_of_that_use_alone(endpoint: Opener) -> None:
    model, _ = await endpoint(Line(use={"set": {}}, raw='{"x": 1'))
    (use,) = (await model.ask("mind", HELLO, tools=[TOOL])).uses
    assert use.args == {}
    assert "no JSON" in use.broken


@pytest.mark.parametrize("status", [429, 500, 529])
async def test_who_has_no_time_is_asked_again(endpoint: Opener, status: int) -> None:
    model, server = await endpoint(Line(status=status, times=2), STORY)
    assert (await model.ask("mind", HELLO)).text
    assert len(server.requests) == 3


async def test_it_waits_as_long_as_it_is_told(endpoint: Opener) -> None:
    model, server = await endpoint(Line(status=429, retry_after=0.3), STORY)
    begun = asyncio.get_running_loop().time()
    await model.ask("mind", HELLO)
    assert asyncio.get_running_loop().time() - begun >= 0.3  # a lower bound: it may take longer
    assert len(server.requests) == 2


async def test_who_wants_to_be_left_alone_for_longer_than_there_is_time_is(endpoint: Opener) -> None:
    model, server = await endpoint(Line(status=429, retry_after=600))
    assert (await fails(model, "model_busy")).after == 600
    assert len(server.requests) == 1


async def test_a_busy_model_is_stood_in_for_by_the_small_one(endpoint: Opener) -> None:
    model, server = await endpoint(Line(status=529), STORY, config={"small": "s"})
    assert (await model.ask("mind", HELLO)).model == "s"
    assert [request["model"] for request in server.requests] == ["m", "s"]


async def test_a_wrong_key_is_not_tried_twice_and_a_new_one_counts_at_once(endpoint: Opener) -> None:
    keys = ["wrong"]
    model, _ = await endpoint(STORY)
    model._key = lambda: keys[0]
    await fails(model, "model_key")
    keys[0] = "k"
    assert (await model.ask("mind", HELLO)).text


async def test_no_key_at_all_asks_nobody() -> None:
    await fails(Model(ModelConfig(mind="m"), lambda: "", FixedClock(0)), "model_key")


async def test_nobody_there_is_said_so() -> None:
    config = ModelConfig(mind="m", base_url="http://127.0.0.1:9", seconds=5)
    await fails(Model(config, lambda: "k", FixedClock(0), pause=60), "model_away")


async def test_a_stream_that_falls_silent_is_ended_and_asked_again(endpoint: Opener) -> None:
    model, server = await endpoint(Line(text="Once", stall=30), STORY, stall=0.2)
    assert (await model.ask("mind", HELLO)).text
    assert len(server.requests) == 2


@pytest.mark.parametrize("cut", [True, "clean"])
async def test_a_stream_that_is_cut_is_asked_again(endpoint: Opener, cut: bool | str) -> None:
    model, server = await endpoint(Line(text="Once", cut=cut), STORY)
    assert (await model.ask("mind", HELLO)).text == STORY.text.strip()
    assert len(server.requests) == 2


@pytest.mark.parametrize("stop", ["max_tokens", "refusal", "pause_turn", "model_context_window_exceeded"])
async def test_why_it_stopped_is_told(endpoint: Opener, stop: str) -> None:
    model, _ = await endpoint(Line(text="Once", stop=stop))
    assert (await model.ask("mind", HELLO)).stop == stop


async def test_after_three_failures_in_a_row_nothing_is_asked_for_a_minute(endpoint: Opener) -> None:
    clock = FixedClock(1e9)
    model, server = await endpoint(Line(status=500, times=0), clock=clock, pause=60)
    for _ in range(3):
        await fails(model, "model_busy")
    seen = len(server.requests)
    await fails(model, "model_busy")
    assert len(server.requests) == seen
    server.script = [replace(STORY)]
    clock.set(1e9 + 61)
    assert (await model.ask("mind", HELLO)).text


# The server


async def test_what_was_sent_before_is_read_from_the_cache_while_it_is_kept() -> None:
    now = [1e9]
    server = Scripted([Line(times=0, text="Yes.")], now=lambda: now[0])
    long = {"type": "text", "text": "word " * 1000, "cache_control": {"type": "ephemeral"}}
    body = {"model": "m", "max_tokens": 9, "system": [long], "messages": HELLO}
    first, second = server._use(body), server._use(body)
    assert first["cache_read_input_tokens"] == 0
    assert first["cache_creation_input_tokens"] >= 1000
    assert second["cache_read_input_tokens"] == first["cache_creation_input_tokens"]
    assert sum(first.values()) == sum(second.values())
    changed = server._use(body | {"system": [long | {"text": long["text"][1:]}]})
    assert changed["cache_read_input_tokens"] == 0
    now[0] += 301
    assert server._use(body)["cache_read_input_tokens"] == 0


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"max_tokens": 9, "messages": HELLO}, "model"),
        ({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": [{"type": "text"}]}]}, "text"),
        ({"model": "m", "max_tokens": 9, "messages": HELLO, "temperature": 1}, "sampling"),
        ({"model": "m", "max_tokens": 9, "messages": [{"role": "system", "content": "x"}]}, "user"),
        ({"model": "m", "max_tokens": 9, "messages": HELLO, "tools": [TOOL, TOOL]}, "names"),
        (
            {
                "model": "m",
                "max_tokens": 9,
                "messages": [
                    *HELLO,
                    {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "set", "input": {}}]},
                    {"role": "user", "content": [{"type": "text", "text": "and?"}]},
                ],
            },
            "tool_result",
        ),
    ],
)
def test_a_request_that_the_endpoint_would_not_take_is_not_taken_here(body: dict[str, Any], fault: str) -> None:
    assert fault in check(body)


async def test_what_no_line_answers_is_said_loudly(endpoint: Opener) -> None:
    model, server = await endpoint(Line("something else", text="Yes."))
    error = await fails(model, "model_odd")
    assert "no line of the script answers" in str(error)
    assert server.lost == ["tell me a story"]


def test_a_script_is_read_from_a_file_and_a_key_that_lines_have_not_is_named(tmp_path: Path) -> None:
    file = tmp_path / "script.yaml"
    file.write_text("turns:\n- said: story\n  text: Once.\n- {after: done, status: 529}\n")
    assert read_script(file) == [Line("story", text="Once."), Line(after="done", status=529)]
    file.write_text("- sayd: story\n")
    with pytest.raises(ConfigError, match="line 1 has sayd"):
        read_script(file)


def test_the_command_teaches_itself() -> None:
    told = CliRunner().invoke(main, ["mind", "--help"]).output
    assert "base_url" in told
    assert "status: 529" in told


def test_tokens_are_counted_rather_too_high() -> None:
    text = "The quick brown fox jumps over the lazy dog."  # ten tokens
    assert tokens(text) >= 10


async def test_a_name_that_no_model_has_is_said_so(endpoint: Opener) -> None:
    model, _ = await endpoint(Line("", status=404, times=0))
    assert "no model of that name" in str(await fails(model, "model_name"))


async def test_the_doctor_asks_each_model_for_a_word(tmp_path: Path) -> None:
    server = Scripted([Line("yes", text="Yes."), Line("", status=404)], key="right")
    address = await server.open()
    config = tmp_path / "dobby.toml"
    config.write_text(f'[model]\nmind = "tiny"\nsmall = "smaller"\nbase_url = "{address}"\nkey_file = "{tmp_path / "key"}"\n')
    (tmp_path / "key").write_text("right\n")
    command = [sys.executable, "-m", "dobby", "doctor", "--config", str(config), "--state", str(tmp_path / "state")]
    asked = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    told, _ = await asked.communicate()
    (tmp_path / "key").write_text("wrong")
    wrong = await trial(read_config(config).model, "tiny", tmp_path)
    await server.aclose()
    nobody = await trial(read_config(config).model, "tiny", tmp_path)
    lines = [line for line in told.decode().splitlines() if " model " in line]
    assert lines == [
        "ok    model tiny: answers",
        "SICK  model smaller: There is no model of that name, or no Messages API (404).",
    ]
    assert asked.returncode == 1
    assert (wrong, nobody) == ("Its key is not accepted (401).", f"{address} cannot be reached (APIConnectionError).")


# Money


def test_a_price_is_by_the_models_name_and_ones_own_is_free() -> None:
    used = Used(fresh=1_000_000, cached=1_000_000, written=1_000_000, out=1_000_000)
    assert price(ModelConfig(mind="claude-sonnet-5-5"), "claude-sonnet-5-5", used) == pytest.approx(2 + 0.2 + 2.5 + 10)
    assert price(ModelConfig(mind="m"), "claude-opus-4-1", Used(out=1_000_000)) == 75
    assert price(ModelConfig(mind="m"), "claude-opus-4-8", Used(out=1_000_000, searches=3)) == pytest.approx(25 + 0.03)
    assert price(ModelConfig(mind="qwen", base_url="http://localhost"), "qwen", used) == 0
    assert price(ModelConfig(mind="new", prices={"new": [1, 2]}), "new-1", used) == pytest.approx(1 + 0.1 + 1.25 + 2)
    assert price(ModelConfig(mind="other"), "other", used) == pytest.approx(15 + 1.5 + 18.75 + 75)
    assert rate(ModelConfig(mind="m"), "other") is None
