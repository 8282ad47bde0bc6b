"""Diseases of the phantom's lungs: how much of the air they replace, and where."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.download.phantom.anatomy import Frame, Lungs, Map, clouds, edge, oval, vessels
from stages.download.phantom.patient import Anatomy, Random

# The classes, named as in the Radiography Database, and the share of the patients in each.
SHARES = {"Normal": 0.36, "Lung_Opacity": 0.26, "COVID": 0.21, "Viral Pneumonia": 0.17}

# Probability that opacities are in both lungs.
BOTH_LUNGS = 0.6

# Share of the air that an opacity must replace to be visible. With this value, its outline lies
# where a radiologist would draw it.
VISIBLE = 0.3


@dataclass(frozen=True)
class Spot:
    """An oval area of disease, in the patient's coordinates."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Finding:
    """What all images of one patient show."""

    label: str
    severity: float  # 0.75 (mild) to 1.15
    spots: list[Spot]


def draw_finding(random: Random, label: str, lung_x: float) -> Finding:
    """Draw the severity and the place of a patient's disease at random."""
    u = random.uniform
    severity = u(0.75, 1.15)
    # As often in both lungs for either disease: otherwise a healthy lung would tell them apart, and
    # a heatmap on it would be right.
    sides = (-1, 1) if u() < BOTH_LUNGS else (int(random.choice((-1, 1))),)
    spots: list[Spot] = []
    for side in sides:
        if label == "COVID":
            for _ in range(random.integers(2, 5)):
                x = side * (lung_x + u(0.05, 0.32))
                spots.append(Spot(x, u(-0.05, 0.42), u(0.12, 0.25), u(0.12, 0.25)))
        if label == "Lung_Opacity":
            x, y = lung_x + u(-0.1, 0.22), u(-0.52, 0.25)
            size = u(0.15, 0.28)
            for _ in range(3):
                out, down = random.normal(0, 0.45 * size, 2).tolist()
                x_spot = side * max(x + out, 0.1)
                spots.append(Spot(x_spot, y + down, size * u(0.6, 1.2), size * u(0.5, 1)))
    return Finding(label, severity, spots)


def disease(random: Random, frame: Frame, anatomy: Anatomy, finding: Finding) -> Map:
    """Share of the lungs' air that a finding replaces, 0 to 1."""
    severity = finding.severity * random.uniform(0.85, 1.15)
    if finding.label == "COVID":
        return ground_glass(random, frame, finding.spots, severity)
    if finding.label == "Viral Pneumonia":
        return interstitial(random, frame, severity)
    if finding.label == "Lung_Opacity":
        return consolidation(random, frame, anatomy, finding.spots, severity)
    return np.zeros_like(frame.x)


def lesion_mask(finding: Finding, lungs: Lungs, replaced: Map) -> NDArray[np.bool_]:
    """Where a disease is visible: bool (H, W), all False in a healthy patient.

    An opacity is visible where it replaces more than `VISIBLE` of the air. Diffuse disease has no
    outline: its mask covers both lungs.

    Args:
        replaced: what `disease` returned.
    """
    if finding.label == "Viral Pneumonia":
        return lungs.air > 0.5
    lost = np.clip(replaced, 0, 1) * lungs.air
    return lost > VISIBLE


def ground_glass(random: Random, frame: Frame, spots: list[Spot], severity: float) -> Map:
    """Hazy patches in the lower periphery of one lung or both; the vessels remain visible."""
    rough = clouds(random, frame, 22)
    return (0.25 + 0.35 * severity) * patches(frame, spots, rough) * (0.9 + 0.25 * rough)


def interstitial(random: Random, frame: Frame, severity: float) -> Map:
    """A net of fine lines in both lungs, densest around the hila."""
    net = sum(np.clip(1 - 2.5 * np.abs(clouds(random, frame, cells)), 0, 1) for cells in (30, 44))
    centre = 1 - 0.5 * edge(frame.out - 0.45, 0.5)
    patchy = 0.8 + 0.25 * clouds(random, frame, 9)
    return (0.35 + 0.5 * severity) * (0.6 * net + 0.1) * centre * patchy


def consolidation(
    random: Random, frame: Frame, anatomy: Anatomy, spots: list[Spot], severity: float
) -> Map:
    """A dense patch in one lung or in each, with air in the airways."""
    mottle = clouds(random, frame, 36)
    patch = patches(frame, spots, clouds(random, frame, 16) + 0.5 * mottle)
    airways = 1 - 0.6 * vessels(frame, anatomy)
    return (0.7 + 0.3 * severity) * patch * airways * (1 + 0.3 * mottle)


def patches(frame: Frame, spots: list[Spot], rough: Map) -> Map:
    """Ovals with an irregular and soft edge, 0 to 1, each in one lung.

    The density falls over the same distance in every disease: otherwise the edge would tell them
    apart, and a heatmap beside the opacity would be right.
    """
    shape = np.zeros_like(frame.x)
    for spot in spots:
        far = oval(frame.x - spot.x, frame.y - spot.y, spot.width, spot.height)
        same_lung = edge(frame.x if spot.x > 0 else -frame.x, 0.1)
        shape = np.maximum(shape, edge(1.1 - far + 0.3 * rough, 1.0) * same_lung)
    return shape
