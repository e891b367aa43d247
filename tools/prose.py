"""Counts the words in docstrings that plain technical English avoids: `python tools/prose.py FOLDER ...`.

Prints one line per group of words: how often it occurs, and how often per 1,000 words of docstrings.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

GROUPS = {
    "nobody/somebody/anybody/whoever": re.compile(r"\b(nobody|somebody|anybody|whoever)\b", re.IGNORECASE),
    "told/tell/tells/telling/said/say/says": re.compile(r"\b(told|tell|tells|telling|said|say|says)\b", re.IGNORECASE),
}
_WORD = re.compile(r"[A-Za-z][A-Za-z'-]*")


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Return each docstring of a module with its line; a text below an assignment counts as the docstring of what it describes."""
    for node in ast.walk(ast.parse(source)):
        for statement in getattr(node, "body", ()) if not isinstance(node, ast.Lambda | ast.IfExp) else ():
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, str):
                yield statement.lineno, statement.value.value


def counts(folders: list[Path]) -> tuple[int, dict[str, int]]:
    """Return the number of words in docstrings, and how often each group of words occurs."""
    words, found = 0, dict.fromkeys(GROUPS, 0)
    for folder in folders:
        for file in sorted(folder.rglob("*.py")):
            for _, text in docstrings(file.read_text(encoding="utf-8")):
                words += len(_WORD.findall(text))
                for name, pattern in GROUPS.items():
                    found[name] += len(pattern.findall(text))
    return words, found


def main() -> int:
    """Print the counts for the folders of the command line."""
    words, found = counts([Path(name) for name in sys.argv[1:]] or [Path("oic_session_ext")])
    print(f"{words} words in docstrings")
    for name, number in found.items():
        print(f"{number:5} {1000 * number / max(words, 1):6.2f} per 1,000  {name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
