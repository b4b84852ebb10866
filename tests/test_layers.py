"""Imports point one way (DESIGN §3): who may know whom, as a table; no cycles, no surprises at import, one tree of errors."""

import ast
import builtins
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "dobby"

# From the ground up. A part imports what stands lower, and neighbours only in the rows marked so.
LAYERS: list[tuple[bool, set[str]]] = [
    (True, {"errors", "events", "paths", "config", "clock", "store", "logs", "notify", "turns"}),
    (True, {"skill", "memory", "sandbox", "journal", "house", "people", "vault"}),
    (False, {"gate"}),
    (False, {"ways"}),
    (False, {"act", "post"}),
    (False, {"mind"}),
    (False, {"bridge", "web", "schedule", "vision", "discovery", "butler"}),
    (True, {"daemon", "alive", "drawing", "ground", "live", "operations", "trial", "backup", "bridges", "wits"}),
    (True, {"cli", "dollhouse", "__main__"}),
]
LEVEL = {part: level for level, (_, parts) in enumerate(LAYERS) for part in parts}

# Imports inside functions hide what a module needs; these are late because they are heavy and seldom needed.
LATE = {
    "dobby.memory.vectors": {"wordllama"},
    "dobby.mind.route": {"hassil"},
    "dobby.dollhouse.scripted": {"anthropic.types", "pydantic"},
    "dobby.skill.tool": {"hassil", "pydantic"},
    "dobby.skill.music": {"rapidfuzz"},
    "dobby.cli.backup": {"dobby.backup", "dobby.backup.make", "dobby.backup.restore"},
    "dobby.cli.login": {"segno"},
    "dobby.live": {"dobby.daemon"},
    "dobby.cli.doctor": {"dobby.bridge.provider.trying"},
    "dobby.cli.setup": {"dobby.bridge.provider.trying", "dobby.bridge.provider.telegram"},
    "dobby.bridges": {"dobby.bridge.provider.telegram", "dobby.bridge.provider.webhook"},
    "dobby.discovery.network": {"dobby.discovery.mdns", "dobby.discovery.wsd"},
    "dobby.discovery.sweep": {"ifaddr"},
}
NEVER = {"av", "cv2", "onnxruntime", "torch", "soco", "aiomqtt", "amqtt"}  # by the daemon itself


@cache
def trees() -> dict[str, ast.Module]:
    """Every module of the program by its dotted name; the template of a new skill is no part of it."""
    files = (path for path in sorted(PACKAGE.rglob("*.py")) if "_shipped" not in path.parts)
    return {_name(path): ast.parse(path.read_text("utf-8")) for path in files}


def _name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def part(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def imports(node: ast.AST) -> Iterator[str]:
    """What a tree imports while it runs, as modules."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield from named(child)
        yield from imports(child)


def named(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom) and node.module:
        full = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from (name if name in trees() else node.module for name in full)


def ours(module: str) -> set[str]:
    return {name for name in imports(trees()[module]) if name.partition(".")[0] == "dobby" and part(name)}


def test_every_part_has_its_place() -> None:
    unplaced = {part(module) for module in trees() if part(module)} - LEVEL.keys()
    assert not unplaced, f"say in LAYERS where {unplaced} stands"


@pytest.mark.parametrize("module", sorted(trees()))
def test_imports_point_down(module: str) -> None:
    if not part(module):
        return
    mine = LEVEL[part(module)]
    up = {
        other
        for other in ours(module)
        if part(other) != part(module) and (LEVEL[part(other)] > mine or (LEVEL[part(other)] == mine and not LAYERS[mine][0]))
    }
    assert not up, f"{module} looks up at {up}"


def test_there_are_no_import_cycles() -> None:
    try:
        TopologicalSorter({module: ours(module) - {module} for module in trees()}).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_only_the_command_line_and_tests_know_the_dollhouse() -> None:
    assert {part(m) for m in trees() if any(part(other) == "dollhouse" for other in ours(m))} <= {"cli", "dollhouse"}


def test_nothing_of_ours_imports_a_skill_or_the_sandboxs_other_side() -> None:
    wrong = {
        (m, name) for m in trees() for name in imports(trees()[m]) if name.partition(".")[0] in ("skills", "sandbox", "tests")
    }
    assert not wrong


def test_the_facts_need_only_the_standard_library() -> None:
    for module in ("dobby.events", "dobby.errors", "dobby.clock"):
        assert all(name.partition(".")[0] in {*sys.stdlib_module_names, "dobby"} for name in imports(trees()[module]))


def test_imports_inside_functions_are_the_listed_ones() -> None:
    found: dict[str, set[str]] = {}
    for module, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found.setdefault(module, set()).update(imports(node))
    hidden = {module: names - LATE.get(module, set()) for module, names in found.items()}
    assert not {module: names for module, names in hidden.items() if names}


def loaded(what: str) -> set[str]:
    code = f"import sys; import {what}; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout.split())


def test_the_daemon_never_loads_what_belongs_to_the_eyes_or_to_a_skill() -> None:
    assert not loaded("dobby.daemon") & NEVER


def test_what_lives_before_anybody_can_be_spoken_to_is_light() -> None:
    """The first device is there within a second of the start."""
    heavy = {"aiohttp", "pydantic", "hassil", "zeroconf", "cryptography", "rapidfuzz", "ifaddr", "defusedxml"}
    assert not loaded("dobby.live") & {*heavy, "dobby.mind", "dobby.butler", "dobby.bridge"}


def test_the_front_door_opens_nothing_by_itself() -> None:
    assert {name for name in loaded("dobby") if name.startswith("dobby")} == {"dobby"}


def test_every_public_error_is_a_dobby_error() -> None:
    foreign = [
        f"{module}.{node.name}"
        for module, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and node.name != "DobbyError"
        for base in node.bases
        if isinstance(error := getattr(builtins, ast.unparse(base), None), type) and issubclass(error, BaseException)
    ]
    assert not foreign
