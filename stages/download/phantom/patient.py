"""Who lies under the phantom's X-ray, and how each image of them is taken.

Lengths are in halves of the image's shorter side; x grows to the image's right (the patient's
left), y downwards, the origin is the image's centre.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Random = np.random.Generator
Vessels = tuple[NDArray[np.float64], float]  # lines (N, 4, 2) through points x, y; their width


@dataclass(frozen=True)
class Anatomy:
    """What all images of one patient share."""

    wall: float  # half the width of the chest, skin to skin
    fat: float  # tissue in front of the lungs
    arms: float  # y down to which the arms lie beside the chest
    neck: float  # half its width
    lung_x: float  # middle of a lung
    lung_width: float  # from there to the ribs
    apex: float
    waist: float  # from here down a lung's side is straight
    dome: float  # top of the diaphragm
    dome_height: float
    dome_tilt: float  # how much higher the right dome stands
    heart: float  # size
    heart_x: float
    arch: float  # radius of the aortic arch
    mediastinum: float  # half its width
    rib_spacing: float
    rib_phase: float
    rib_arch: float
    rib_contrast: float
    collar_y: float  # clavicles
    collar_slope: float
    breasts: float  # 0 = none to be seen
    breast_y: float
    stomach: float  # how plain its bubble of air is, 0 = not at all
    markings: float  # how plain the vessels are
    bend: NDArray[np.float64]  # (2, 8, 8): a smooth displacement in x and y
    bulk: NDArray[np.float64]  # (9, 9): unevenness of the tissue
    vessels: list[Vessels]


@dataclass(frozen=True)
class Pose:
    """How one image was taken."""

    angle: float  # radians
    scale: float
    x: float
    y: float
    breath: float  # how much lower the diaphragm stands than usual
    air: float  # share of the lungs' depth that is air
    turn: float  # of the body about its long axis: shifts heart and windpipe
    tilt: float  # of the beam: how much lower the bones in front stand against those behind
    heart: float  # magnification
    bend: NDArray[np.float64]  # (2, 8, 8): how the body lies, added to the patient's own
    film: float  # thickness at which the film's curve bends
    dark: float  # grey of air, 0 to 1
    bright: float  # grey of bone
    blur: float  # share of the image's shorter side
    noise: float  # standard deviation, as a share of the full range


def draw_anatomy(random: Random) -> Anatomy:
    """Draw a patient."""
    u = random.uniform
    lung_x = u(0.35, 0.44)
    apex = u(-0.86, -0.66)
    return Anatomy(
        wall=u(0.86, 1.1),
        fat=u(-0.12, 0.12),
        arms=u(-0.5, 0.9),
        neck=u(0.17, 0.27),
        lung_x=lung_x,
        lung_width=u(0.29, 0.42),
        apex=apex,
        waist=apex + u(0.4, 0.65),
        dome=u(0.26, 0.5),
        dome_height=u(0.12, 0.28),
        dome_tilt=u(-0.03, 0.12),
        heart=u(0.8, 1.2),
        heart_x=u(-0.06, 0.07),
        arch=u(0.07, 0.13),
        mediastinum=u(0.09, 0.16),
        rib_spacing=u(0.13, 0.19),
        rib_phase=u(0, 1),
        rib_arch=u(0.2, 0.8),
        rib_contrast=u(0.6, 1.4),
        collar_y=u(-0.76, -0.58),
        collar_slope=u(-0.35, 0.1),
        breasts=max(0.0, u(-1, 1)),
        breast_y=u(0.2, 0.42),
        stomach=max(0.0, u(-0.5, 1)),
        markings=u(0.6, 1.5),
        bend=random.normal(0, 0.05, (2, 8, 8)),
        bulk=random.normal(0, 0.1, (9, 9)),
        vessels=draw_vessels(random),
    )


def draw_pose(random: Random, view: str) -> Pose:
    """Draw how one image was taken; from the front (AP) the heart is larger, the breath shallow."""
    u = random.uniform
    front = view == "AP"
    return Pose(
        angle=u(-0.1, 0.1),
        scale=u(0.92, 1.18),
        x=u(-0.12, 0.12),
        y=u(-0.12, 0.12),
        breath=u(-0.1, 0.06) - 0.04 * front,
        air=u(0.74, 0.86),
        turn=u(-0.06, 0.06),
        tilt=u(-0.1, 0.1),
        heart=u(0.97, 1.03) + 0.1 * front,
        bend=random.normal(0, 0.05, (2, 8, 8)),
        film=u(0.55, 1.1),
        dark=u(0.0, 0.1),
        bright=u(0.78, 1.0),
        blur=u(0.002, 0.004),
        noise=u(0.006, 0.02),
    )


def draw_vessels(random: Random) -> list[Vessels]:
    """Draw the vessels of both lungs: from the hilum outwards, forking twice, ever thinner."""
    sides = np.repeat([-1, 1], 8)
    start = np.stack([0.15 * sides, np.repeat(random.uniform(-0.12, 0, 2), 8)], axis=1)
    heading = np.tile(np.linspace(-1.25, 1.35, 8), 2) + random.normal(0, 0.1, 16)
    vessels = []
    for width in (0.02, 0.013, 0.008):
        headings = heading[:, None] + np.cumsum(random.normal(0, 0.12, (len(heading), 3)), axis=1)
        steps = np.stack([sides[:, None] * np.cos(headings), np.sin(headings)], axis=2)
        points = start[:, None] + 0.055 * np.cumsum(steps, axis=1)
        vessels.append((np.concatenate([start[:, None], points], axis=1), width))
        start, sides = np.tile(points[:, -1], (2, 1)), np.tile(sides, 2)
        turns = random.uniform(0.2, 0.45, (2, len(heading))) * [[-1], [1]]
        heading = (headings[:, -1] + turns).ravel()
    return vessels
