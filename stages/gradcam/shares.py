"""Where the heat of a heatmap lies: in the lungs, or at the border of the image."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# Width of the border, as a share of the image's side: where markers and labels stand.
BORDER = 0.1


def measure(maps: NDArray[np.float32], masks: NDArray[np.uint8]) -> pd.DataFrame:
    """Shares of each heatmap's sum, beside the shares of the area that even heat would have.

    The share inside the lungs is the energy-based pointing game of Wang et al. 2020
    ("Score-CAM").

    Args:
        maps: (N, S, S), not negative.
        masks: (N, S, S), not 0 inside the lungs; all 0 where there is no mask.

    Returns:
        N rows with `empty` (the map is all zero), `lungs_heat`, `lungs_area` (NaN without a
        mask), `border_heat` and `border_area`; the heat of an empty map is NaN.
    """
    inside = masks > 0
    masked = inside.any(axis=(1, 2))
    edge = border(maps.shape[-1])
    return pd.DataFrame(
        {
            "empty": ~maps.any(axis=(1, 2)),
            "lungs_heat": np.where(masked, share(maps, inside), np.nan),
            "lungs_area": np.where(masked, inside.mean(axis=(1, 2)), np.nan),
            "border_heat": share(maps, edge),
            "border_area": edge.mean(),
        }
    )


def border(side: int) -> NDArray[np.bool_]:
    """(side, side), true within a tenth of the side from the edge."""
    width = max(1, round(BORDER * side))
    edge = np.ones((side, side), bool)
    edge[width:-width, width:-width] = False
    return edge


def share(maps: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of each map's sum that lies `inside`; NaN for an empty map."""
    total = maps.sum(axis=(1, 2), dtype=np.float64)
    part = np.where(inside, maps, 0).sum(axis=(1, 2), dtype=np.float64)
    return np.divide(part, total, out=np.full_like(total, np.nan), where=total > 0)


def summary(measured: pd.DataFrame) -> dict[str, Any]:
    """Means of what `measure` found, ready for JSON: None where nothing is known.

    The lungs' shares are over the images that have both a mask and a map that is not empty.
    """
    used = measured[~measured["empty"]]
    masked = used.dropna(subset="lungs_area")
    return {
        "images": len(measured),
        "empty": int(measured["empty"].sum()),
        "lungs": {
            "images": len(masked),
            "heat": average(masked["lungs_heat"]),
            "area": average(masked["lungs_area"]),
        },
        "border": {"heat": average(used["border_heat"]), "area": average(used["border_area"])},
    }


def average(values: pd.Series) -> float | None:
    """The mean; None of nothing."""
    return float(values.mean()) if len(values) else None
