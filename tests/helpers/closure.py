"""Which files of the project a module imports, directly or through others."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def closure(module: str) -> set[str]:
    """Project files that `module` imports, itself included, also inside functions.

    Args:
        module: dotted name, such as stages.split.__main__.

    Returns:
        POSIX paths relative to the project.
    """
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = file_of(name)
        if path is None or path.as_posix() in found:
            continue
        found.add(path.as_posix())
        waiting += imports(path)
        parts = name.split(".")
        waiting += [".".join(parts[:count]) for count in range(1, len(parts))]
    return found


def imports(path: Path) -> list[str]:
    """Dotted names that a file imports; `from a import b` may mean a.b or a name in a."""
    names: list[str] = []
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


def file_of(name: str) -> Path | None:
    """The project file of a module, relative to the project, if there is one."""
    path = Path(*name.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if name.split(".")[0] == "stages" and (ROOT / candidate).is_file():
            return candidate
    return None
