"""Small enough to read (DESIGN §2, the ninth invariant): counted here, and red when exceeded. Deleting is a win.

The program is counted in lines of code: what is empty, a comment or a docstring explains it and does not make it larger
(docs/adr/0006). A file and a function are counted whole, as the eye meets them; a function without its decorators.
"""

import ast
import tokenize
import warnings
from pathlib import Path
from statistics import median, quantiles

ROOT = Path(__file__).resolve().parents[1]
FILES = [path for path in sorted((ROOT / "dobby").rglob("*.py")) if "_shipped" not in path.parts]
PROGRAM, WHOLE, FILE, MEDIAN, NINETY, LONGEST, SKILL = 12_000, 22_000, 400, 10, 27, 50, 300
APART = {  # limits of their own: a language library in all but name, a process of its own, the outside, a part nobody needs
    ROOT / "dobby" / "mind" / "plain": 4_500,
    ROOT / "dobby" / "vision": 1_200,
    ROOT / "dobby" / "dollhouse": 700,
    ROOT / "dobby" / "wits": 1_300,
    ROOT / "dobby" / "memory": 1_000,
    ROOT / "dobby" / "bridge" / "provider": 1_000,
    ROOT / "dobby" / "backup": 500,
}


SPACE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER, tokenize.ENCODING}


def lines(path: Path) -> int:
    """Lines with code on them."""
    with path.open("rb") as file:
        rows = [range(t.start[0], t.end[0] + 1) for t in tokenize.tokenize(file.readline) if t.type not in SPACE]
    return len({line for row in rows for line in row} - docstrings(ast.parse(path.read_text("utf-8"))))


def docstrings(tree: ast.Module) -> set[int]:
    """The lines of every docstring."""
    scopes = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    first = [node.body[0] for node in ast.walk(tree) if isinstance(node, scopes) and ast.get_docstring(node) is not None]
    return {line for node in first for line in range(node.lineno, (node.end_lineno or 0) + 1)}


def functions() -> dict[str, int]:
    return {
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_the_program_can_be_read() -> None:
    size = {path: lines(path) for path in FILES}
    parts = {folder: sum(count for path, count in size.items() if folder in path.parents) for folder in APART}
    assert all(parts[folder] < most for folder, most in APART.items()), parts
    assert sum(size.values()) - sum(parts.values()) < PROGRAM
    assert sum(size.values()) < WHOLE, "what is counted apart is read by somebody too"


def test_lines_of_code_are_counted_without_what_explains_them(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        '"""Says\nwhat."""\n\n# why\nx = """two\nlines"""  # counted\n\n\ndef f():\n    """Doc."""\n    return x\n'
    )
    assert lines(tmp_path / "a.py") == 4


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
