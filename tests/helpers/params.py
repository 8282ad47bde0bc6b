"""The project's params.yaml with other values."""

from pathlib import Path

from ruamel.yaml import YAML

from tests.helpers.closure import ROOT


def changed(folder: Path, **changes: object) -> Path:
    """The project's params.yaml with some dotted keys changed (`__` for a dot)."""
    yaml = YAML()
    content = yaml.load(ROOT / "params.yaml")
    for key, value in changes.items():
        *parents, last = key.split("__")
        place = content
        for parent in parents:
            place = place[parent]
        if value is None:
            del place[last]
        else:
            place[last] = value
    path = folder / "params.yaml"
    yaml.dump(content, path)
    return path
