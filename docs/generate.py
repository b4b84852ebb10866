"""Fills the generated parts of the docs: `python docs/generate.py` writes them, with `--check` says which are stale.

A part stands between `<!-- NAME -->` and `<!-- /NAME -->`. It does not know what else a page says.
"""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

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


def dobby(*words: str) -> str:
    """What the command prints."""
    command = [sys.executable, "-m", "dobby", *words]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, env={**os.environ, "COLUMNS": "100"})
    if run.returncode:
        raise SystemExit(f"dobby {' '.join(words)} failed:\n{run.stdout}{run.stderr}")
    return run.stdout.rstrip()


def transcript() -> str:
    """The README's conversation, held with a dollhouse just now; clock times become one."""
    said = re.sub(r"\b\d\d:\d\d\b", "19:03", dobby("demo", "--transcript"))
    return f"```console\n$ dobby demo --transcript\n{said}\n```"


def risks() -> str:
    """What Dobby may do, from the gate's own table."""
    table = tomllib.loads((ROOT / "dobby/risks.toml").read_text("utf-8"))["level"]
    roles = ("owner", "adult", "child", "guest", "unknown")
    head = ["| what it risks | for example | " + " | ".join(roles) + " |", "|---" * 7 + "|"]
    return "\n".join(head + [f"| {risk} | {EXAMPLES[risk]} | " + " | ".join(row[r] for r in roles) + " |" for risk, row in table.items()])


def commands() -> str:
    """Every command's own help."""
    from dobby.cli import COMMANDS

    asked = [[name] for name in COMMANDS] + [["skills", "new"]]
    return "\n\n".join(f"## dobby {' '.join(words)}\n\n```\n{dobby(*words, '--help')}\n```" for words in asked)


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


def filled(page: str, parts: Mapping[str, Callable[[], str]]) -> str:
    """A page's text with its parts made anew."""
    text = (ROOT / page).read_text("utf-8")
    for name, make in parts.items():
        begin, end = f"<!-- {name} -->\n", f"\n<!-- /{name} -->"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        if not rest:
            raise SystemExit(f"{page} has no part {name}")
        text = before + begin + make() + end + after
    return text


def main(argv: list[str]) -> int:
    """Write, or only look."""
    stale = []
    for page, parts in PARTS.items():
        text = filled(page, parts)
        if text != (ROOT / page).read_text("utf-8"):
            stale.append(page)
            if "--check" not in argv:
                (ROOT / page).write_text(text, "utf-8")
    if stale:
        print(("stale: " if "--check" in argv else "written: ") + ", ".join(stale))
    return 1 if stale and "--check" in argv else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
