"""Where the heat of a heatmap lies: in the lungs, or at the border of the image."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxr.images.border import border_mask


def measure(maps: NDArray[np.float32], masks: NDArray[np.uint8]) -> pd.DataFrame:
    """Shares of each heatmap's sum, beside the shares of the area that even heat would have.

    The share inside the lungs is the energy-based pointing game of Wang et al. 2020
    ("Score-CAM"), `lungs_hit` the pointing game of Zhang et al. 2018 ("Top-down neural attention
    by excitation backprop"): whether the map's maximum lies in the lungs.

    Args:
        maps: (N, S, S), not negative.
        masks: (N, S, S), not 0 inside the lungs; all 0 where there is no mask.

    Returns:
        N rows with `lungs_heat`, `lungs_area`, `lungs_excess` (the difference), `lungs_hit` (0 or
        1), `border_heat` and `border_area`. All but the areas is NaN for an empty map (all zero),
        and what is said of the lungs for an image without a mask.
    """
    inside = masks > 0
    masked = inside.any(axis=(1, 2))
    edge = border_mask(maps.shape[-1])
    heat = np.where(masked, share(maps, inside), np.nan)
    area = np.where(masked, inside.mean(axis=(1, 2)), np.nan)
    hottest = maps.reshape(len(maps), -1).argmax(1)
    hit = inside.reshape(len(maps), -1)[np.arange(len(maps)), hottest]
    return pd.DataFrame(
        {
            "lungs_heat": heat,
            "lungs_area": area,
            "lungs_excess": heat - area,
            "lungs_hit": np.where(np.isnan(heat), np.nan, hit),
            "border_heat": share(maps, edge),
            "border_area": edge.mean(),
        }
    )


def share(maps: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of each map's sum that lies `inside`; NaN for an empty map."""
    total = maps.sum(axis=(1, 2), dtype=np.float64)
    part = np.where(inside, maps, 0).sum(axis=(1, 2), dtype=np.float64)
    return np.divide(part, total, out=np.full_like(total, np.nan), where=total > 0)
