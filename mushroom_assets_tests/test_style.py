"""Plain lines: one assignment a line, no comprehension in a comprehension, functions of one screen.

ruff holds the length of lines; these it does not know. Code is read by people whose first language
is neither English nor ours.
"""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import mushroom_assets

ROOT = Path(mushroom_assets.__file__).parent
LONGEST = 40  # lines of a function, its docstring included
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def trees() -> Iterator[tuple[str, ast.Module]]:
    """Every module but the migrations, which list tables column by column."""
    for path in sorted(ROOT.rglob("*.py")):
        name = str(path.relative_to(ROOT))
        if "migrations/versions" not in name:
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def is_dense(node: ast.AST) -> bool:
    """Whether a statement assigns several values to several names and is no swap."""
    if not isinstance(node, ast.Assign):
        return False
    target = node.targets[0]
    if not isinstance(target, ast.Tuple) or not isinstance(node.value, ast.Tuple):
        return False
    return sorted(map(ast.unparse, target.elts)) != sorted(map(ast.unparse, node.value.elts))


def is_nested(node: ast.AST) -> bool:
    """Whether a comprehension has another inside."""
    if not isinstance(node, COMPREHENSIONS):
        return False
    return any(inner is not node and isinstance(inner, COMPREHENSIONS) for inner in ast.walk(node))


def is_long(node: ast.AST) -> bool:
    """Whether a function does not fit on a screen."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    return (node.end_lineno or node.lineno) - node.lineno + 1 > LONGEST


@pytest.mark.parametrize("fault", [is_dense, is_nested, is_long])
def test_the_package_is_plain(fault: Callable[[ast.AST], bool]) -> None:
    places = []
    for name, tree in trees():
        found = [node for node in ast.walk(tree) if fault(node)]
        places += [f"{name}: {ast.unparse(node)[:60]}" for node in found]
    assert places == []


def test_the_rules_see_what_they_are_about() -> None:
    def first(source: str) -> ast.AST:
        statement = ast.parse(source).body[0]
        return statement.value if isinstance(statement, ast.Expr) else statement

    assert is_dense(first("a, b = 1, 2"))
    assert not is_dense(first("a, b = b, a"))
    assert not is_dense(first("a, b = divmod(7, 2)"))
    assert is_nested(first("[[x for x in row] for row in rows]"))
    assert not is_nested(first("[len(row) for row in rows]"))
    assert is_long(first("def f():\n" + "    x = 1\n" * LONGEST))
    assert not is_long(first("def f():\n" + "    x = 1\n" * (LONGEST - 1)))
