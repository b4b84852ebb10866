"""What the docs say is so: every command and key is named, generated parts are fresh, links lead somewhere."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import click
import pytest
import yaml

from dobby.cli import COMMANDS, main
from docs import generate

ROOT = Path(__file__).resolve().parents[1]
QUALITIES = ("bronze", "silver", "gold")


def tracked(*patterns: str) -> list[Path]:
    """Files of the checkout; a source archive has no list of them, there it is all that is not hidden."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", *patterns], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        return [path for pattern in patterns or ("*",) for path in ROOT.rglob(pattern) if path.is_file()]
    return [path for name in listed.stdout.splitlines() if (path := ROOT / name).is_file()]


PAGES = tracked("*.md")
SKILLS = sorted(path.parent for path in (ROOT / "skills").glob("[!_]*/SKILL.md"))


def commands() -> list[tuple[str, click.Command]]:
    """Every command and subcommand, by the words one types."""
    context = click.Context(main)
    found: list[tuple[str, click.Command]] = []
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        found.append((name, command))
        if isinstance(command, click.Group):
            found += [(f"{name} {each}", below) for each, below in command.commands.items()]
    return found


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_every_command_and_option_has_help_and_is_named_in_the_docs(name: str) -> None:
    command = dict(commands())[name]
    assert command.help, name
    assert all(parameter.help for parameter in command.params if isinstance(parameter, click.Option)), name
    assert f"`dobby {name}" in generate.page("README.md")
    assert f"## dobby {name}\n" in generate.page("docs/reference.md")


def test_no_page_names_a_command_that_is_not_there() -> None:
    known = {name.split()[0] for name, _ in commands()}
    for page in PAGES:
        named = set(re.findall(r"`dobby ([a-z]+)", page.read_text("utf-8")))
        assert named <= known, page


@pytest.mark.parametrize("name", ["risks", "commands", "kinds"])
def test_what_is_made_from_the_program_is_fresh(name: str) -> None:
    [page] = [page for page, parts in generate.PARTS.items() if name in parts]
    made = generate.PARTS[page][name]()
    assert f"<!-- {name} -->\n{made}\n<!-- /{name} -->" in generate.page(page), "run: python docs/generate.py"


def test_the_readmes_two_commands_are_targets_and_its_folders_exist() -> None:
    readme, makefile = generate.page("README.md"), generate.page("Makefile")
    for target in re.findall(r"\bmake ([a-z]+)", readme):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    tree = readme.partition("## What is where")[2].partition("```")[2].partition("```")[0]
    for name in re.findall(r"(?<!\S)([\w./]+/)(?=\s)", tree):
        assert any((base / name).is_dir() for base in (ROOT, ROOT / "dobby")), name
    for name in re.findall(r"(?<!\S)([\w]+\.py)\b", tree):
        assert (ROOT / "dobby" / name).is_file() or list(ROOT.glob(f"skills/*/{name}")), name


def test_the_wheel_carries_every_folder_that_the_program_opens() -> None:
    carried = tomllib.loads(generate.page("pyproject.toml"))["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    opened = {name for path in tracked("dobby/*.py") for name in re.findall(r'shipped\("(\w+)"\)', path.read_text("utf-8"))}
    assert opened <= set(carried)
    assert carried == {name: f"dobby/_shipped/{name}" for name in carried}


@pytest.mark.parametrize("folder", SKILLS, ids=lambda folder: folder.name)
def test_every_skill_says_what_it_is_and_how_good(folder: Path) -> None:
    front = yaml.safe_load((folder / "SKILL.md").read_text("utf-8").split("---\n")[1])
    assert set(front) <= {"name", "description", "license", "compatibility", "metadata", "allowed-tools"}, "agentskills.io"
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", front["name"])
    assert front["name"] == folder.name
    assert "use it when" in front["description"].casefold()
    assert len(front["description"]) <= 1024
    assert front["metadata"]["quality"] in QUALITIES
    assert ast.get_docstring(ast.parse((folder / "skill.py").read_text("utf-8")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:", link):
            place, _, anchor = link.partition("#")
            target = (page.parent / place).resolve() if place else page
            assert target.exists(), link
            if anchor and target.suffix == ".md":
                heads = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.MULTILINE)
                assert anchor in {re.sub(r"[^\w -]", "", head).strip().casefold().replace(" ", "-") for head in heads}, link


def test_code_that_pages_point_to_exists() -> None:
    for page in (ROOT / "ARCHITECTURE.md", ROOT / "AGENTS.md", ROOT / "skills/README.md", ROOT / "README.md"):
        for name in re.findall(
            r"`((?:dobby|tests|skills|docs|deploy|memory|sandbox|benchmarks)/[\w./-]+)`", page.read_text("utf-8")
        ):
            assert "NAME" in name or (ROOT / name.rstrip("/")).exists(), f"{page.name}: {name}"


def test_nothing_tells_of_the_machine_it_was_written_on() -> None:
    machine = re.compile(r"/" + r"work/(main|shared)\b|/(root|home/(?!dobby\b)\w+)/|\b(Claude|ChatGPT|Copilot|AI-generated)\b")
    for path in tracked():
        if path != Path(__file__) and path.suffix in (
            ".py",
            ".md",
            ".toml",
            ".yaml",
            ".sh",
            ".service",
            ".js",
            ".html",
            ".css",
            "",
        ):
            found = machine.search(path.read_text("utf-8", "replace"))
            assert not found, f"{path.relative_to(ROOT)}: {found and found[0]}"
