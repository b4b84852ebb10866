"""Runs every figure sheet, each in a process of its own, and prints one table.

A sheet is a module here with a function `measure`. It does not know what they measure.
"""

import ast
import subprocess
import sys
from pathlib import Path

from benchmarks.sheet import Row, as_json, from_json, options, table

HERE = Path(__file__).parent


def sheets() -> dict[str, str]:
    """Every benchmark by name, with its first sentence; nothing is imported for it."""
    found = {}
    for path in sorted(HERE.glob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        if "measure" in functions:
            found[path.stem] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return found


def _rows(name: str, quick: bool) -> list[Row]:
    command = [sys.executable, "-m", f"benchmarks.{name}", "--json", *(["--quick"] if quick else [])]
    ended = subprocess.run(command, cwd=HERE.parent, stdout=subprocess.PIPE, text=True, check=False)
    if ended.returncode:
        return [Row(name, None, "", "runs", False, note=f"ended with status {ended.returncode}; its error is above")]
    return from_json(ended.stdout)


def main(arguments: list[str] | None = None) -> int:
    """Run all, or the named ones; non-zero only where one could not be run."""
    known = sheets()
    about = "Measure Dobby, all sheets or the named ones:\n" + "\n".join(f"  {name:8} {text}" for name, text in known.items())
    parser = options("benchmarks", about)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(known)}")
    given = parser.parse_args(arguments)
    if unknown := set(given.names) - set(known):
        parser.error(f"there is no benchmark {', '.join(unknown)}")
    rows = []
    for name in given.names or known:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        rows += _rows(name, given.quick)
    print(as_json(rows) if given.json else table(rows))
    return int(any(row.goal == "runs" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
