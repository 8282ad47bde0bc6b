"""Diseases of the phantom's lungs: what replaces their air, and where."""

from dataclasses import dataclass

import numpy as np

from stages.download.anatomy import Frame, Lung, Map, Random, clouds, edge, ellipse

# The Radiography Database's names, with the share of patients of each.
SHARES = {"Normal": 0.36, "Lung_Opacity": 0.26, "COVID": 0.21, "Viral Pneumonia": 0.17}


@dataclass(frozen=True)
class Spot:
    """An area of disease, in the patient's coordinates."""

    side: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Finding:
    """What all images of one patient show."""

    label: str
    severity: float  # 0.2 (mild) to 1
    spots: list[Spot]


def draw_finding(random: Random, label: str, lung_x: float) -> Finding:
    """Draw how ill a patient is, and where."""
    severity = random.uniform(0.25, 1.0)
    spots: list[Spot] = []
    if label == "COVID":
        for side in (-1, 1):
            for _ in range(random.integers(2, 5)):
                x = side * (lung_x + random.uniform(0.08, 0.32))
                y = random.uniform(-0.02, 0.42)
                width, height = random.uniform(0.1, 0.22, 2)
                spots.append(Spot(side, x, y, width, height))
    if label == "Lung_Opacity":
        side = int(random.choice((-1, 1)))
        x = side * (lung_x + random.uniform(-0.12, 0.2))
        y = random.uniform(-0.5, 0.3)
        width, height = random.uniform(0.12, 0.26, 2)
        spots.append(Spot(side, x, y, width, height))
    return Finding(label, severity, spots)


def disease(random: Random, frame: Frame, lungs: list[Lung], finding: Finding) -> Map:
    """How much of the lungs' air a finding replaces, (H, W), 0 to 1."""
    severity = finding.severity * random.uniform(0.85, 1.15)
    if finding.label == "COVID":
        return ground_glass(random, frame, lungs, finding.spots, severity)
    if finding.label == "Viral Pneumonia":
        return interstitial(random, frame, lungs, severity)
    if finding.label == "Lung_Opacity":
        return consolidation(random, frame, finding.spots, severity)
    return np.zeros_like(frame.x)


def ground_glass(
    random: Random, frame: Frame, lungs: list[Lung], spots: list[Spot], severity: float
) -> Map:
    """Hazy patches of both lungs, below and at the rim, through which the vessels still show."""
    haze = np.zeros_like(frame.x)
    rough = clouds(random, frame, 18)
    for spot in spots:
        far = ellipse(frame, spot.x, spot.y, spot.width, spot.height)
        haze = np.maximum(haze, edge(1.1 - far + 0.25 * rough, 1.2))
    rim = np.minimum(lungs[0].rim, lungs[1].rim)
    haze *= (0.35 + 0.65 * edge(rim - 0.55, 0.6)) * (0.8 + 0.2 * rough)
    return (0.2 + 0.45 * severity) * haze


def interstitial(random: Random, frame: Frame, lungs: list[Lung], severity: float) -> Map:
    """A net of fine lines all over both lungs, densest around the hila."""
    net = np.zeros_like(frame.x)
    for cells in (44, 60):
        net += np.clip(1 - 2.2 * np.abs(clouds(random, frame, cells)), 0, 1)
    out = np.abs(frame.x)
    centre = 1 - 0.5 * edge(out - 0.45, 0.5)
    patchy = 0.8 + 0.2 * clouds(random, frame, 8)
    return (0.1 + 0.35 * severity) * (net * 0.6 + 0.2) * centre * patchy


def consolidation(random: Random, frame: Frame, spots: list[Spot], severity: float) -> Map:
    """One dense patch with a ragged edge."""
    patch = np.zeros_like(frame.x)
    rough = 0.7 * clouds(random, frame, 11) + 0.3 * clouds(random, frame, 24)
    for spot in spots:
        far = ellipse(frame, spot.x, spot.y, spot.width, spot.height)
        patch += edge(1 - far + 0.22 * rough, 0.7) * edge(spot.side * frame.x, 0.1)
    return (0.35 + 0.55 * severity) * patch
