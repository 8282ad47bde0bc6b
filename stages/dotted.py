"""Settings under dotted keys, as `dvc exp run -S` names them."""

from typing import Any

Settings = dict[str, Any]


def flat(settings: Settings, above: str = "") -> Settings:
    """Nested settings under dotted keys; lists stay as they are."""
    found: Settings = {}
    for key, value in settings.items():
        inner = isinstance(value, dict) and value
        found |= flat(value, f"{above}{key}.") if inner else {f"{above}{key}": value}
    return found
