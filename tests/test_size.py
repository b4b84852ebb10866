"""Small enough to read (DESIGN §2, the ninth invariant): counted here, and red when exceeded. Deleting is a win.

A line of Python is a line that is not empty; a function is counted whole, with its decorators left out and its docstring in.
"""

import ast
import warnings
from pathlib import Path
from statistics import median, quantiles

ROOT = Path(__file__).resolve().parents[1]
FILES = [path for path in sorted((ROOT / "dobby").rglob("*.py")) if "_shipped" not in path.parts]
PROGRAM, FILE, MEDIAN, NINETY, LONGEST, SKILL = 12_000, 400, 10, 27, 50, 300


def lines(path: Path) -> int:
    return sum(1 for line in path.read_text("utf-8").splitlines() if line.strip())


def functions() -> dict[str, int]:
    return {
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_the_program_can_be_read() -> None:
    assert sum(map(lines, FILES)) < PROGRAM


def test_a_file_can_be_read_in_one_go() -> None:
    assert not {path: count for path in FILES if (count := len(path.read_text("utf-8").splitlines())) >= FILE}


def test_functions_fit_on_a_screen() -> None:
    sizes = functions()
    assert not {name: size for name, size in sizes.items() if size > LONGEST}
    assert median(sizes.values()) <= MEDIAN
    assert quantiles(sizes.values(), n=10)[8] <= NINETY


def test_a_skills_driver_aims_at_three_hundred_lines() -> None:
    """An aim, not a law: who misses it is named."""
    for path in sorted((ROOT / "skills").glob("*/skill.py")):
        if lines(path) > SKILL:
            warnings.warn(f"{path.relative_to(ROOT)} has {lines(path)} lines, {SKILL} are the aim", stacklevel=1)
