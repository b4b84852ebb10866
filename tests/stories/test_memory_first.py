"""A whole Dobby with a model: what the memory can answer costs nothing, and what it cannot is the model's."""

from pathlib import Path

import anthropic

from dobby.dollhouse.scripted import Line, Scripted
from tests.running import ask, at_home

SDK = anthropic.__version__  # loaded here: it takes seconds


async def test_what_the_memory_can_answer_needs_no_model(tmp_path: Path) -> None:
    server = Scripted([Line("where is the moon", text="In the sky."), Line("who is older", text="Hard to say.")])
    model = {"mind": "scripted", "base_url": await server.open()}
    async with at_home(tmp_path, model=model, owner={"name": "Anna"}):
        told = await ask(
            tmp_path,
            "remember that the spare key is in the blue flowerpot",
            "the plumber came today",
            "where is the spare key?",
            "when did the plumber come?",
            "what did I say about the plumber?",
        )
        assert "in the blue flowerpot" in told[2]
        assert told[3].startswith("The plumber was here today")
        assert "the plumber came today" in told[4]
        assert server.requests == []
        assert await ask(tmp_path, "where is the moon?", "who is older, Anna or the plumber?") == ["In the sky.", "Hard to say."]
    await server.aclose()
