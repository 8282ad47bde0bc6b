"""The files of the project that a module imports, directly or indirectly."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def closure(module: str) -> set[str]:
    """Project files that `module` imports, including itself, also inside functions.

    An __init__.py that contains only a docstring does not count.

    Args:
        module: dotted name, such as stages.split.__main__.

    Returns:
        POSIX paths relative to the project.
    """
    found: set[str] = set()
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = file_of(name)
        if path is None or name in seen:
            continue
        seen.add(name)
        if path.stem != "__init__" or has_code(path):
            found.add(path.as_posix())
        waiting += imports(path)
        parts = name.split(".")
        waiting += [".".join(parts[:count]) for count in range(1, len(parts))]
    return found


def has_code(path: Path) -> bool:
    """Whether a module contains more than a docstring."""
    return any(not isinstance(node, ast.Expr) for node in parsed(path).body)


def parsed(path: Path) -> ast.Module:
    """The syntax tree of a file of the project."""
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def imports(path: Path) -> list[str]:
    """Dotted names that a file imports; `from a import b` may mean a.b or a name in a."""
    names: list[str] = []
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


def file_of(name: str) -> Path | None:
    """The project file of a module, relative to the project, if there is one."""
    path = Path(*name.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if name.split(".")[0] in ("cxr", "stages") and (ROOT / candidate).is_file():
            return candidate
    return None


def loaded(module: str, libraries: set[str]) -> set[str]:
    """Which of some libraries are loaded when a new Python imports a module, such as a stage."""
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return libraries & set(done.stdout.split())
