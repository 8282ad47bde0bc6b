"""Drawing one frontal chest radiograph of the phantom.

A radiograph is a map of how much tissue the beam went through. Each part of the chest adds to
that thickness (bone, heart, abdomen, disease) or takes from it (the air of the lungs), and one
saturating curve turns it into grey: what lies behind something dense is hardly seen, as on film.

Lengths are in halves of the image's shorter side; x grows to the image's right (the patient's
left), y downwards, the origin is the image's centre. Only arithmetic that is exact to the last
bit on every machine (no exp, no power, no float32 blur) decides the pixels.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Map = NDArray[np.floating]
Random = np.random.Generator


@dataclass(frozen=True)
class Anatomy:
    """What all images of one patient share."""

    wall: float  # half the width of the chest, skin to skin
    lung_x: float  # middle of a lung
    lung_width: float  # from there to the ribs
    apex: float
    waist: float  # from here down the lung's side is straight
    dome: float  # top of the diaphragm
    dome_height: float
    dome_tilt: float  # how much higher the right dome stands
    heart: float  # size
    heart_x: float
    knob: float  # radius of the aortic arch
    mediastinum: float
    rib_spacing: float
    rib_phase: float
    rib_arch: float
    rib_contrast: float
    collar_y: float  # clavicles
    collar_slope: float
    breasts: float  # 0 = none to be seen
    breast_y: float
    markings: float  # how plainly the vessels show
    stomach: float  # size of the bubble of air
    bend: Map  # (2, 6, 6): a smooth displacement
    vessels: list[tuple[NDArray[np.float64], float]]  # polylines (points, 2) and their widths


@dataclass(frozen=True)
class Pose:
    """How one image was taken."""

    angle: float  # radians
    scale: float
    x: float
    y: float
    breath: float  # how much lower the diaphragm stands than usual
    turn: float  # of the body about its long axis: moves heart and spine sideways
    heart: float  # magnification: larger from the front (AP)
    curve: float  # softness of the film
    dark: float  # grey of air, 0 to 1
    bright: float  # grey of bone
    blur: float  # pixels
    noise: float  # grey levels / 255 at half transmission


@dataclass(frozen=True)
class Frame:
    """The grid of one image in the patient's coordinates."""

    x: Map  # (H, W)
    y: Map
    rows: Map  # (H,) position in the image, for fields that are laid over it
    columns: Map
    to_pixels: NDArray[np.float64]  # (2, 3): patient's x, y, 1 to the pixel's column, row
    unit: float  # pixels


@dataclass(frozen=True)
class Lung:
    """One lung. `side` is +1 for the image's right."""

    side: int
    out: Map  # distance from the midline, growing outwards
    rim: Map  # 0 in the lung's middle, 1 at its outline, above 1 outside
    air: Map  # 0 to 1, soft at the edge, without heart and mediastinum


def draw_anatomy(random: Random) -> Anatomy:
    """Draw a patient."""
    u = random.uniform
    lung_x = u(0.36, 0.43)
    apex = u(-0.84, -0.68)
    dome = u(0.28, 0.48)
    return Anatomy(
        wall=u(0.88, 1.1),
        lung_x=lung_x,
        lung_width=u(0.29, 0.42),
        apex=apex,
        waist=apex + u(0.42, 0.62),
        dome=dome,
        dome_height=u(0.12, 0.26),
        dome_tilt=u(-0.02, 0.1),
        heart=u(0.82, 1.18),
        heart_x=u(-0.05, 0.06),
        knob=u(0.07, 0.12),
        mediastinum=u(0.1, 0.16),
        rib_spacing=u(0.13, 0.18),
        rib_phase=u(0, 1),
        rib_arch=u(0.25, 0.75),
        rib_contrast=u(0.6, 1.3),
        collar_y=u(-0.74, -0.6),
        collar_slope=u(-0.35, 0.1),
        breasts=max(0.0, u(-1.0, 1.0)),
        breast_y=u(0.2, 0.42),
        markings=u(0.6, 1.5),
        stomach=max(0.0, u(-0.5, 1.0)),
        bend=random.normal(0, 0.035, (2, 6, 6)),
        vessels=draw_vessels(random, lung_x),
    )


def draw_pose(random: Random, view: str) -> Pose:
    """Draw how one image was taken; from the front (AP) the heart is larger, the breath shallow."""
    u = random.uniform
    front = view == "AP"
    return Pose(
        angle=u(-0.09, 0.09),
        scale=u(0.9, 1.12),
        x=u(-0.1, 0.1),
        y=u(-0.1, 0.1),
        breath=u(-0.07, 0.05) - 0.04 * front,
        turn=u(-0.05, 0.05),
        heart=u(0.97, 1.03) + 0.1 * front,
        curve=u(0.45, 1.1),
        dark=u(0.0, 0.1),
        bright=u(0.78, 1.0),
        blur=u(0.5, 1.0),
        noise=u(0.008, 0.025),
    )


def draw_vessels(random: Random, lung_x: float) -> list[tuple[NDArray[np.float64], float]]:
    """Draw the vessels of both lungs: from the hilum outwards, forking, ever thinner."""
    vessels: list[tuple[NDArray[np.float64], float]] = []
    for side in (-1, 1):
        hilum = np.array([side * 0.15, random.uniform(-0.12, 0.0)])
        for heading in np.linspace(-1.25, 1.35, 8) + random.normal(0, 0.1, 8):
            stems = [(hilum, heading, 0.02)]
            for _ in range(3):
                stems = [
                    fork
                    for start, direction, width in stems
                    for fork in forks(random, start, direction, width, side, vessels)
                ]
    return vessels


def forks(
    random: Random,
    start: NDArray[np.float64],
    heading: float,
    width: float,
    side: int,
    vessels: list[tuple[NDArray[np.float64], float]],
) -> list[tuple[NDArray[np.float64], float, float]]:
    """Append one stretch of a vessel; give the starts of the two that it forks into."""
    points = [start]
    for _ in range(3):
        heading += random.normal(0, 0.12)
        step = 0.055 * np.array([side * np.cos(heading), np.sin(heading)])
        points.append(points[-1] + step)
    vessels.append((np.array(points), width))
    spread = random.uniform(0.2, 0.45)
    return [(points[-1], heading + turn, 0.65 * width) for turn in (-spread, spread)]


def edge(distance: Map, width: float) -> Map:
    """A soft step: 0 well below distance 0, 1 well above, over the given width."""
    t = np.clip(distance / width + 0.5, 0, 1)
    return t * t * (3 - 2 * t)


def spline(positions: Map, cells: int) -> Map:
    """Uniform cubic B-spline basis on [-1.5, 1.5]: (N, cells), for positions (N,)."""
    t = (positions[:, None] + 1.5) / 3 * (cells - 3) + 1 - np.arange(cells)
    t = np.abs(t)
    near = 2 / 3 - t * t * (1 - t / 2)
    far = np.clip(2 - t, 0, None) ** 3 / 6
    return np.where(t < 1, near, far)


def field(frame: Frame, knots: Map) -> Map:
    """A smooth (H, W) map through random knots (cells, cells) laid over the image."""
    rows = spline(frame.rows, knots.shape[0])
    columns = spline(frame.columns, knots.shape[1])
    smooth: Map = rows @ knots @ columns.T
    return smooth


def clouds(random: Random, frame: Frame, cells: int) -> Map:
    """A smooth random (H, W) map of mean 0 and variance about 1; finer with more cells."""
    # 1 / 0.48 makes up for the averaging of a bicubic spline.
    return field(frame, random.normal(0, 1 / 0.48, (cells, cells)))


def place(shape: tuple[int, int], anatomy: Anatomy, pose: Pose) -> Frame:
    """Lay the patient's coordinates over an image of (height, width) pixels."""
    height, width = shape
    unit = min(shape) / 2
    rows = (np.arange(height) - (height - 1) / 2) / unit
    columns = (np.arange(width) - (width - 1) / 2) / unit
    cos, sin = np.cos(pose.angle) * pose.scale, np.sin(pose.angle) * pose.scale
    to_pixels = np.array(
        [
            [cos * unit, -sin * unit, pose.x * unit + (width - 1) / 2],
            [sin * unit, cos * unit, pose.y * unit + (height - 1) / 2],
        ]
    )
    dx, dy = columns[None, :] - pose.x, rows[:, None] - pose.y
    square = pose.scale * pose.scale
    flat = Frame(dx, dy, rows, columns, to_pixels, unit)
    x = (cos * dx + sin * dy) / square + field(flat, anatomy.bend[0])
    y = (cos * dy - sin * dx) / square + field(flat, anatomy.bend[1])
    return Frame(x, y, rows, columns, to_pixels, unit)


def ellipse(frame: Frame, x: float, y: float, width: float, height: float, slant: float = 0) -> Map:
    """Distance from a centre in units of the radii: 1 on the ellipse's outline."""
    down = (frame.y - y) / height
    across = (frame.x - x - slant * (frame.y - y)) / width
    return np.sqrt(across * across + down * down)


def heart_shape(frame: Frame, anatomy: Anatomy, pose: Pose) -> Map:
    """Heart and great vessels, 0 to 1."""
    size = anatomy.heart * pose.heart
    x = anatomy.heart_x + pose.turn
    base = anatomy.dome + 0.04
    left = ellipse(frame, x + 0.15, base - 0.2 * size, 0.27 * size, 0.27 * size, 0.35)
    right = ellipse(frame, x - 0.06, base - 0.2 * size, 0.17 * size, 0.26 * size)
    arch = ellipse(frame, x + 0.09, -0.33, anatomy.knob, anatomy.knob)
    lobe = ellipse(frame, x + 0.12, -0.12, 0.1, 0.16)
    column = np.abs(frame.x - x) / anatomy.mediastinum
    whole = np.minimum.reduce([left, right, arch, lobe, column])
    return edge(1 - whole, 0.14)


def lung(frame: Frame, anatomy: Anatomy, pose: Pose, side: int, heart: Map) -> Lung:
    """The lung of one side: an arch over straight sides, cut off by the domed diaphragm."""
    out = side * frame.x
    above = np.clip(anatomy.waist - frame.y, 0, None) / (anatomy.waist - anatomy.apex)
    below = np.clip(frame.y - anatomy.waist, 0, None)
    across = out - anatomy.lung_x
    outer = across / (anatomy.lung_width * (1 + 0.15 * below))
    inner = -across / (anatomy.lung_x - 0.06)
    sideways = np.maximum(outer, inner)
    rim = np.sqrt(sideways * sideways + above * above)
    dome = anatomy.dome + pose.breath + side * anatomy.dome_tilt / 2
    bow = across / 0.42
    floor = dome + anatomy.dome_height * bow * bow
    air = edge(1 - rim, 0.06) * edge(floor - frame.y, 0.03) * (1 - heart)
    return Lung(side, out, rim, air)


def ribs(frame: Frame, anatomy: Anatomy, lungs: list[Lung]) -> Map:
    """Ribs: behind, arched and sharp; in front, sloping towards the midline and faint."""
    out = np.abs(frame.x)
    cage = edge(1.12 - np.minimum(lungs[0].rim, lungs[1].rim), 0.08)
    cage *= edge(anatomy.dome + 0.45 - frame.y, 0.3)
    arch = anatomy.rib_arch * out * out - 0.12 * out
    behind = bands((frame.y - arch) / anatomy.rib_spacing + anatomy.rib_phase, 0.3)
    slope = frame.y - 0.55 * (0.8 - out)
    front = bands(slope / (1.15 * anatomy.rib_spacing) + anatomy.rib_phase, 0.33)
    shown = behind * edge(out - 0.1, 0.1) + 0.55 * front * edge(out - 0.42, 0.2)
    return shown * cage


def bands(phase: Map, half: float) -> Map:
    """A bone at each whole number of `phase`, as a tube with a brighter rim."""
    off = np.abs(phase - np.round(phase))
    inside = edge(half - off, 0.12)
    tube = np.clip(off / half, 0, 1)
    return inside * (0.55 + 0.45 * tube * tube)


def clavicles(frame: Frame, anatomy: Anatomy) -> Map:
    """Both clavicles: from the top of the breastbone outwards, slightly bent."""
    out = np.abs(frame.x)
    bow = out - 0.45
    line = anatomy.collar_y + anatomy.collar_slope * bow + 0.5 * bow * bow * bow
    off = np.abs(frame.y - line) / 0.045
    shaft = edge(1 - off, 0.35) * (0.6 + 0.4 * np.clip(off, 0, 1))
    return shaft * edge(out - 0.08, 0.04) * edge(0.92 - out, 0.1)


def spine(frame: Frame, pose: Pose, spacing: float) -> Map:
    """Vertebrae with the disc spaces between, and the dark windpipe in front of the upper ones."""
    off = np.abs(frame.x - 0.5 * pose.turn)
    phase = frame.y / (0.9 * spacing)
    disc = edge(0.14 - np.abs(phase - np.round(phase)), 0.2)
    column = edge(0.1 - off, 0.04) * (1 - 0.35 * disc)
    windpipe = edge(0.04 - np.abs(frame.x - pose.turn), 0.03) * edge(-0.28 - frame.y, 0.1)
    return column - 0.9 * windpipe


def body(frame: Frame, anatomy: Anatomy) -> Map:
    """Soft tissue without the lungs: trunk, neck, shoulders, arms; about 1 in the middle."""
    out = np.abs(frame.x)
    shoulder = np.clip(out - 0.22, 0, 0.25) * 1.1 + np.clip(out - 0.47, 0, None) * 0.3
    below = frame.y - (anatomy.collar_y - 0.42 + shoulder)
    trunk = edge(below, 0.06) * edge(anatomy.wall + 0.25 * edge(-frame.y - 0.1, 0.4) - out, 0.05)
    neck = edge(0.22 - out, 0.06)
    depth = np.clip(1.25 - 0.5 * out * out, 0.35, None)
    return np.maximum(trunk, neck) * depth


def vessel_map(frame: Frame, anatomy: Anatomy) -> Map:
    """The vessels, 0 to 1 (H, W)."""
    canvas = np.zeros(frame.x.shape, np.uint8)
    for points, width in anatomy.vessels:
        pixels = points @ frame.to_pixels[:, :2].T + frame.to_pixels[:, 2]
        fixed = np.round(pixels * 16).astype(np.int32).reshape(-1, 1, 2)
        thickness = max(1, round(width * frame.unit))
        shade = min(255, round(255 * width * frame.unit / thickness))
        cv2.polylines(canvas, [fixed], False, shade, thickness, cv2.LINE_AA, 4)
    return canvas / 255


def chest(
    frame: Frame, anatomy: Anatomy, pose: Pose, heart: Map, lungs: list[Lung], disease: Map
) -> Map:
    """Tissue in the beam's way, (H, W), 0 = air.

    Args:
        disease: what the air of the lungs is replaced by, 0 to 1.
    """
    air = (lungs[0].air + lungs[1].air) * (1 - 0.85 * np.clip(disease, 0, 1))
    tissue = body(frame, anatomy)
    abdomen = edge(frame.y - anatomy.dome - pose.breath - 0.15, 0.5)
    bubble = edge(1 - ellipse(frame, 0.38, anatomy.dome + pose.breath + 0.14, 0.16, 0.06), 0.5) * (
        1 - lungs[1].air
    )
    breast = sum(
        edge(1 - ellipse(frame, side * 0.5, anatomy.breast_y, 0.36, 0.3), 0.25) for side in (-1, 1)
    )
    thickness = tissue * (1 - 0.72 * air + 0.3 * abdomen)
    thickness += 0.35 * heart * (tissue > 0)
    thickness -= 0.35 * anatomy.stomach * bubble
    thickness += 0.12 * anatomy.breasts * breast
    thickness += 0.1 * anatomy.markings * vessel_map(frame, anatomy) * air
    thickness += 0.11 * anatomy.rib_contrast * ribs(frame, anatomy, lungs)
    thickness += 0.16 * clavicles(frame, anatomy)
    thickness += 0.22 * spine(frame, pose, anatomy.rib_spacing) * np.clip(tissue, 0, 1)
    return np.clip(thickness, 0, None)


def expose(random: Random, thickness: Map, pose: Pose) -> Map:
    """Thickness to grey, 0 to 1: the film's curve, blur, and noise where little light came."""
    grey = thickness / (thickness + pose.curve) * (1.5 + pose.curve) / 1.5
    grey = ndimage.gaussian_filter(grey, pose.blur, truncate=3)
    grain = pose.noise * np.sqrt(0.3 + np.clip(grey, 0, 1))
    grey = pose.dark + (pose.bright - pose.dark) * grey + grain * random.normal(size=grey.shape)
    return np.clip(grey, 0, 1)
