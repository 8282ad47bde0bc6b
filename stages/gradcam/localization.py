"""Localization of heatmaps: how much of the heat lies in the lungs and at the image border."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxr.heatmaps.explainer import Images, Maps
from cxr.images.border import border_mask


def localization_scores(maps: Maps, masks: Images) -> pd.DataFrame:
    """Compute the fraction of the heat in each region, and the region's fraction of the area.

    A uniform map would have the fraction of the area. The fraction inside the lungs is the
    energy-based pointing game of Wang et al. 2020 ("Score-CAM"); `lungs_hit` is the pointing game
    of Zhang et al. 2018 ("Top-down neural attention by excitation backprop"): whether the map's
    maximum lies in the lungs.

    Args:
        maps: (N, S, S), not negative.
        masks: (N, S, S), nonzero inside the lungs; all 0 where there is no mask.

    Returns:
        N rows with `lungs_heat`, `lungs_area`, `lungs_excess` (the difference), `lungs_hit` (0 or
        1), `border_heat` and `border_area`. An empty map (all zero) has NaN in all columns except
        the areas; an image without a mask has NaN in the columns of the lungs.
    """
    inside = masks > 0
    has_mask = inside.any(axis=(1, 2))
    border = border_mask(maps.shape[-1])
    heat = np.where(has_mask, heat_fraction(maps, inside), np.nan)
    area = np.where(has_mask, inside.mean(axis=(1, 2)), np.nan)
    maximum = maps.reshape(len(maps), -1).argmax(1)
    hit = inside.reshape(len(maps), -1)[np.arange(len(maps)), maximum]
    return pd.DataFrame(
        {
            "lungs_heat": heat,
            "lungs_area": area,
            "lungs_excess": heat - area,
            "lungs_hit": np.where(np.isnan(heat), np.nan, hit),
            "border_heat": heat_fraction(maps, border),
            "border_area": border.mean(),
        }
    )


def heat_fraction(maps: Maps, region: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Compute the fraction of each map's sum that lies in a region, (N,); NaN for an empty map."""
    total = maps.sum(axis=(1, 2), dtype=np.float64)
    part = np.where(region, maps, 0).sum(axis=(1, 2), dtype=np.float64)
    return np.divide(part, total, out=np.full_like(total, np.nan), where=total > 0)
