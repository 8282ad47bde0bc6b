"""Localization of heatmaps: how much of the heat lies in the lesion, the lungs and the border.

Lungs are hit by many maps that explain nothing, and even a lesion is hit by a map that is always at
the place where lesions are frequent. So each hit rate has floors: what is reached without looking
at this image, or without having learned anything.
"""

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from cxr.heatmaps.explainer import Images, Maps
from cxr.images.border import border_mask

FLOORS = ("area", "centre", "mean_map", "untrained", "edges")
"""How often the region is hit by: a random point, the image's centre, the mean map of the other
images, the maps of networks with random weights, the strongest edge of the image."""
EDGE_BLUR = 0.04
"""Standard deviation of the blur before and after edges are found, as a fraction of the size."""


def region_measures(region: str) -> list[str]:
    """Return the names of the columns that `region_scores` computes."""
    hits = [f"{region}_hit_{floor}" for floor in FLOORS[1:]]
    return [f"{region}_{name}" for name in ("heat", "area", "excess", "precision", "hit")] + hits


def floor_maps(
    maps: Maps, total: NDArray[np.float32], images: Images, untrained: list[Maps]
) -> dict[str, list[Maps]]:
    """Return the maps whose hits are the floors, by floor; the area needs no map.

    Args:
        maps: (N, S, S), the heatmaps of the images.
        total: (S, S), the sum of the maps of these and all other images.
        images: uint8 (N, S, S).
        untrained: of each network with random weights, its heatmaps (N, S, S).
    """
    centre = np.zeros_like(maps)
    centre[:, maps.shape[1] // 2, maps.shape[2] // 2] = 1
    return {
        "centre": [centre],
        "mean_map": [total - maps],
        "untrained": untrained,
        "edges": [edge_maps(images)],
    }


def region_scores(
    region: str, maps: Maps, floors: dict[str, list[Maps]], masks: Images
) -> pd.DataFrame:
    """Compute the fraction of the heat in a region, and whether the maximum lies there.

    A uniform map would have the region's fraction of the area. The fraction inside is the
    energy-based pointing game of Wang et al. 2020 ("Score-CAM"); the hit is the pointing game
    of Zhang et al. 2018 ("Top-down neural attention by excitation backprop").

    Args:
        region: name of the region, such as `lungs`: the columns begin with it.
        maps: (N, S, S), not negative.
        floors: what `floor_maps` returned.
        masks: (N, S, S), nonzero inside the region; all 0 where there is none.

    Returns:
        N rows with `region_measures`: heat, area, excess (the difference), precision (average
        precision of the map's pixels for the region), hit (0 or 1), and a hit rate for each
        floor. An image without a mask has NaN everywhere. An empty map (all zero) points nowhere,
        so it hits nothing, as a floor too; its heat, excess and precision are NaN.
    """
    inside = masks > 0
    has_mask = inside.any(axis=(1, 2))
    heat = np.where(has_mask, heat_fraction(maps, inside), np.nan)
    area = np.where(has_mask, inside.mean(axis=(1, 2)), np.nan)
    precision = [
        average_precision_score(mask.ravel(), pixels.ravel()) if known else np.nan
        for mask, pixels, known in zip(inside, maps, ~np.isnan(heat), strict=True)
    ]
    columns = {
        "heat": heat,
        "area": area,
        "excess": heat - area,
        "precision": np.array(precision),
        "hit": maximum_inside(maps, inside),
        **{
            f"hit_{floor}": pd.DataFrame([maximum_inside(each, inside) for each in of]).mean()
            for floor, of in floors.items()
        },
    }
    return pd.DataFrame({f"{region}_{name}": values for name, values in columns.items()})


def border_scores(maps: Maps) -> pd.DataFrame:
    """Compute the fraction of the heat at the image's border, where markers are.

    Args:
        maps: (N, S, S), not negative.

    Returns:
        N rows with `border_heat` (NaN for an empty map) and `border_area`.
    """
    border = border_mask(maps.shape[-1])
    return pd.DataFrame({"border_heat": heat_fraction(maps, border), "border_area": border.mean()})


def maximum_inside(maps: Maps, inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Whether each map's maximum lies in a region, (N,); NaN without a region.

    An empty map (all zero) has no maximum: 0.
    """
    flat = maps.reshape(len(maps), -1)
    at_maximum = inside.reshape(len(maps), -1)[np.arange(len(maps)), flat.argmax(1)]
    hit = at_maximum & flat.any(1)
    return np.where(inside.any(axis=(1, 2)), hit.astype(float), np.nan)


def heat_fraction(maps: Maps, region: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Compute the fraction of each map's sum that lies in a region, (N,); NaN for an empty map."""
    total = maps.sum(axis=(1, 2), dtype=np.float64)
    part = np.where(region, maps, 0).sum(axis=(1, 2), dtype=np.float64)
    return np.divide(part, total, out=np.full_like(total, np.nan), where=total > 0)


def edge_maps(images: Images) -> Maps:
    """Compute maps of edges: the blurred magnitude of the gradient, float32 (N, S, S)."""
    maps = np.zeros(images.shape, np.float32)
    sigma = EDGE_BLUR * images.shape[-1]
    for edges, image in zip(maps, images, strict=True):
        smooth = cv2.GaussianBlur(image.astype(np.float32), (0, 0), sigma)
        gradient = [cv2.Sobel(smooth, cv2.CV_32F, *order) for order in ((1, 0), (0, 1))]
        edges[:] = cv2.GaussianBlur(np.hypot(*gradient), (0, 0), sigma)
    return maps
