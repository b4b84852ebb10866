"""Fills the generated parts of the docs: `python docs/generate.py` writes them, with `--check` says which are stale.

A part stands between `<!-- NAME -->` and `<!-- /NAME -->`. It does not know what else a page says.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

import click
from click.testing import CliRunner

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = {
    "comfort": "lights, music, blinds, locking, closing the garage",
    "cost": "outlets, heating within limits, the pool",
    "water": "opening the garden valve",
    "privacy": "turning a camera off or on",
    "entry": "unlocking, opening the garage or the gate",
    "alarm": "disarming, or setting it lower",
    "heat": "heating beyond limits, scalding water",
    "power": "Dobby's own: skills, people, network, money",
}


def transcript() -> str:
    """The README's conversation, held with a dollhouse just now."""
    run = subprocess.run(
        [sys.executable, "-m", "dobby", "demo", "--transcript"], cwd=ROOT, capture_output=True, text=True, timeout=90
    )
    if run.returncode:
        raise SystemExit(f"The transcript does not hold:\n{run.stdout}{run.stderr}")
    return f"```console\n$ dobby demo --transcript\n{same_time(run.stdout.rstrip())}\n```"


def same_time(said: str) -> str:
    """A conversation as if it had been held at three past seven."""
    return re.sub(r"\b\d\d:\d\d\b", "19:03", said)


def page(name: str) -> str:
    """A page as it stands."""
    return (ROOT / name).read_text("utf-8")


def risks() -> str:
    """What Dobby may do, from the gate's own table."""
    table = tomllib.loads((ROOT / "dobby/risks.toml").read_text("utf-8"))["level"]
    roles = ("owner", "adult", "child", "guest", "unknown")
    head = ["| what it risks | for example | " + " | ".join(roles) + " |", "|---" * 7 + "|"]
    return "\n".join(
        head + [f"| {risk} | {EXAMPLES[risk]} | " + " | ".join(row[r] for r in roles) + " |" for risk, row in table.items()]
    )


def commands() -> str:
    """Every command's own help."""
    from dobby.cli import COMMANDS, main

    def help_of(words: list[str]) -> str:
        return CliRunner().invoke(main, [*words, "--help"], prog_name="dobby", terminal_width=100).output.rstrip()

    asked = [[name] for name in COMMANDS]
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        asked += [[name, below] for below in command.commands] if isinstance(command, click.Group) else []
    return "\n\n".join(f"## dobby {' '.join(words)}\n\n```\n{help_of(words)}\n```" for words in asked)


def kinds() -> str:
    """Kinds, traits and verbs, from the house's own table."""
    table = tomllib.loads((ROOT / "dobby/house/kinds.toml").read_text("utf-8"))
    rows = ["| kind | traits (· only read) | verbs |", "|---|---|---|"]
    for kind, row in table["kind"].items():
        traits = [f"`{name}`{_unit(table['trait'][name] | row.get(name, {}))}" for name in row.get("traits", ())]
        rows.append(f"| {kind} | {', '.join(traits)} | {', '.join(row.get('verbs', ()))} |")
    return "\n".join(rows)


def _unit(trait: Mapping[str, object]) -> str:
    return (f" {trait['unit']}" if trait.get("unit") else "") + ("" if trait.get("settable", True) else " ·")


PARTS: dict[str, dict[str, Callable[[], str]]] = {
    "README.md": {"transcript": transcript, "risks": risks},
    "docs/reference.md": {"commands": commands, "kinds": kinds},
}


def filled(name: str) -> str:
    """A page's text with its parts made anew."""
    text = page(name)
    for part, make in PARTS[name].items():
        begin, end = f"<!-- {part} -->\n", f"\n<!-- /{part} -->"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        if not rest:
            raise SystemExit(f"{name} has no part {part}")
        text = before + begin + make() + end + after
    return text


def main(argv: list[str]) -> int:
    """Write, or only look."""
    stale = {name: text for name in PARTS if (text := filled(name)) != page(name)}
    if "--check" in argv:
        print("stale: " + ", ".join(stale) if stale else "fresh")
        return 1 if stale else 0
    for name, text in stale.items():
        (ROOT / name).write_text(text, "utf-8")
        print(f"written: {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
