"""The anatomy of a phantom's patient, and how each image of the patient is taken.

The unit of length is half of the image's shorter side. The x axis points to the right of the image
(the patient's left), the y axis down; the origin is the centre of the image.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Random = np.random.Generator
Vessels = tuple[NDArray[np.float64], float]  # lines (N, 4, 2) through points x, y; their width


@dataclass(frozen=True)
class Anatomy:
    """Body of one patient, the same in all images."""

    wall: float  # half the width of the chest, including the skin
    fat: float  # tissue in front of the lungs
    arms: float  # y of the lower end of the arms beside the chest
    neck: float  # half its width
    lung_x: float  # middle of a lung
    lung_width: float  # from there to the ribs
    apex: float
    waist: float  # y below which the sides of a lung are straight
    dome: float  # top of the diaphragm
    dome_height: float
    dome_tilt: float  # how much higher the right dome is
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
    breasts: float  # 0 = not visible
    breast_y: float
    stomach: float  # contrast of the gas bubble, 0 = not visible
    markings: float  # contrast of the vessels
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
    breath: float  # how much lower the diaphragm is than on average
    air: float  # share of the lungs' depth that is air
    turn: float  # of the body about its long axis: shifts heart and trachea
    tilt: float  # of the beam: how far anterior bones are shifted down against posterior ones
    heart: float  # magnification
    bend: NDArray[np.float64]  # (2, 8, 8): of this pose, added to the patient's
    film: float  # thickness at which the film curve saturates
    dark: float  # grey of air, 0 to 1
    bright: float  # grey of bone
    blur: float  # share of the image's shorter side
    noise: float  # standard deviation, as a share of the full range


def draw_anatomy(random: Random) -> Anatomy:
    """Draw the anatomy of a patient at random."""
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
    """Draw the pose of one image at random; in AP views, the heart is larger."""
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
    """Draw the vessels of both lungs: from the hilum outwards, branching twice, ever thinner."""
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
