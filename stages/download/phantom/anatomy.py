"""Draw one frontal chest radiograph of the phantom.

A radiograph shows how much tissue the X-ray beam passed through. Each part of the chest adds to
this thickness (bone, heart, abdomen, disease) or subtracts from it (the air in the lungs). A
saturating curve turns thickness into grey levels, as on film: structures behind dense ones have
little contrast.

Maps are float32 (H, W); for units and axes see patient.py. Only +, -, *, / and square roots are
used, because these give the same bits on every machine.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stages.download.phantom.patient import Anatomy, Pose, Random

Map = NDArray[np.floating]  # float32


@dataclass(frozen=True)
class Frame:
    """The pixels of one image in the patient's coordinates."""

    x: Map
    y: Map
    out: Map  # distance from the midline
    rows: NDArray[np.floating]  # (H,), y in the image, not in the patient
    columns: NDArray[np.floating]  # (W,), x in the image
    to_pixels: NDArray[np.floating]  # (2, 3), from the patient's (x, y, 1) to column and row
    unit: float  # of length, in pixels


@dataclass(frozen=True)
class Lungs:
    """Both lungs, and the heart between them."""

    air: Map  # 0 to 1, 0 where heart and mediastinum are
    rim: Map  # 0 at a lung's centre, 1 at its outline, above 1 outside
    heart: Map  # 0 to 1, including mediastinum and great vessels


def edge(distance: Map, width: float) -> Map:
    """A smooth step from 0 to 1 at distance 0, over the given width."""
    t = distance * (1 / width)
    t += 0.5
    np.clip(t, 0, 1, out=t)
    step = t * -2
    step += 3
    step *= t
    step *= t
    return step


def oval(across: Map, down: Map, width: float, height: float, slant: float = 0.0) -> Map:
    """Distance from the centre of an ellipse in units of its radii: 1 on the outline."""
    a = (across - slant * down) * (1 / width) if slant else across * (1 / width)
    b = down * (1 / height)
    a *= a
    b *= b
    a += b
    return np.sqrt(a, out=a)


def spline(positions: NDArray[np.floating], cells: int) -> NDArray[np.floating]:
    """Uniform cubic B-spline basis on [-2, 2]: (N, cells), for positions (N,)."""
    t = np.abs((positions[:, None] + 2) / 4 * (cells - 3) + 1 - np.arange(cells))
    near = 2 / 3 - t * t * (1 - t / 2)
    far = np.clip(2 - t, 0, None)
    return np.where(t < 1, near, far * far * far / 6)


def field(
    rows: NDArray[np.floating], columns: NDArray[np.floating], knots: NDArray[np.floating]
) -> Map:
    """A smooth map through random knots, (cells, cells), on a grid of positions."""
    cells = len(knots)
    smooth: Map = (spline(rows, cells) @ knots @ spline(columns, cells).T).astype(np.float32)
    return smooth


def clouds(random: Random, frame: Frame, cells: int) -> Map:
    """A smooth random map of mean 0 and variance about 1; more cells give finer structures."""
    # A bicubic spline with independent knots has 0.48 times their standard deviation.
    return field(frame.rows, frame.columns, random.normal(0, 1 / 0.48, (cells, cells)))


def place(shape: tuple[int, int], anatomy: Anatomy, pose: Pose) -> Frame:
    """Compute the patient's coordinates of the pixels of an image of (height, width)."""
    height, width = shape
    unit = min(shape) / 2
    rows = (np.arange(height) - (height - 1) / 2) / unit
    columns = (np.arange(width) - (width - 1) / 2) / unit
    cos, sin = np.cos(pose.angle), np.sin(pose.angle)
    turn = pose.scale * unit * np.array([[cos, -sin], [sin, cos]])
    shift = np.array([pose.x * unit + (width - 1) / 2, pose.y * unit + (height - 1) / 2])
    dx, dy = (columns - pose.x) / pose.scale, (rows[:, None] - pose.y) / pose.scale
    bend = anatomy.bend + pose.bend
    x = (cos * dx + sin * dy).astype(np.float32) + field(rows, columns, bend[0])
    y = (cos * dy - sin * dx).astype(np.float32) + field(rows, columns, bend[1])
    return Frame(x, y, np.abs(x), rows, columns, np.column_stack([turn, shift]), unit)


def place_lungs(frame: Frame, anatomy: Anatomy, pose: Pose) -> Lungs:
    """Draw the lungs: each is an arch with straight sides, bounded below by the domed diaphragm."""
    heart = place_heart(frame, anatomy, pose)
    above = np.clip(anatomy.waist - frame.y, 0, None) / (anatomy.waist - anatomy.apex)
    below = np.clip(frame.y - anatomy.waist, 0, None)
    across = frame.out - anatomy.lung_x
    outer = across / (anatomy.lung_width * (1 + 0.15 * below))
    inner = across * (-1 / (anatomy.lung_x - 0.06))
    sideways = np.maximum(outer, inner)
    rim = np.sqrt(sideways * sideways + above * above)
    tilt = anatomy.dome_tilt * (edge(frame.x, 0.1) - 0.5)
    floor = anatomy.dome + pose.breath + tilt + anatomy.dome_height / 0.18 * across * across
    air = edge(1 - rim, 0.06) * edge(floor - frame.y, 0.03) * (1 - heart)
    return Lungs(air, rim, heart)


def place_heart(frame: Frame, anatomy: Anatomy, pose: Pose) -> Map:
    """Heart, aortic arch, pulmonary trunk and mediastinum, 0 to 1."""
    size = anatomy.heart * pose.heart
    x = frame.x - (anatomy.heart_x + pose.turn)
    y = frame.y - (anatomy.dome + 0.04 - 0.2 * size)
    parts = [
        oval(x - 0.15, y, 0.27 * size, 0.27 * size, 0.4),
        oval(x + 0.06, y, 0.17 * size, 0.28 * size),
        oval(x - 0.08, frame.y + 0.33, anatomy.arch, anatomy.arch),
        oval(x - 0.1, frame.y + 0.12, 0.11, 0.2),
        np.abs(x) * (1 / anatomy.mediastinum),
    ]
    # Blend the parts: where two outlines are close, both contribute.
    inside = sum(np.clip(1.25 - part, 0, None) ** 2 for part in parts)
    return edge(np.sqrt(inside) - 0.25, 0.16)


def ribs(frame: Frame, anatomy: Anatomy, pose: Pose, lungs: Lungs) -> Map:
    """Ribs: posterior ones are arched and sharp, anterior ones faint and sloping to the midline."""
    cage = edge(1.12 - lungs.rim, 0.08) * edge(anatomy.dome + 0.45 - frame.y, 0.3)
    arch = (anatomy.rib_arch * frame.out - 0.12) * frame.out
    behind = bones(
        (frame.y - 0.5 * pose.breath - arch) / anatomy.rib_spacing + anatomy.rib_phase, 0.3
    )
    slope = (frame.y - pose.tilt + 0.55 * frame.out) / (1.15 * anatomy.rib_spacing)
    front = bones(slope + 2 * anatomy.rib_phase, 0.33)
    return cage * (behind * edge(frame.out - 0.1, 0.1) + 0.55 * front * edge(frame.out - 0.42, 0.2))


def bones(phase: Map, half: float) -> Map:
    """A bone at each whole number of `phase`: a tube, which is densest along its edges."""
    off = np.abs(phase - np.rint(phase))
    tube = np.clip(off * (1 / half), 0, 1)
    return edge(half - off, 0.12) * (0.5 + 0.5 * tube * tube)


def shoulders(frame: Frame, anatomy: Anatomy, pose: Pose) -> Map:
    """Clavicles, from the top of the sternum outwards, and shoulder blades."""
    bow = frame.out - 0.45
    collar = anatomy.collar_y + pose.tilt
    line = collar + (anatomy.collar_slope + 0.6 * bow * bow) * bow
    off = np.abs(frame.y - line) * (1 / 0.042)
    shaft = edge(1 - off, 0.4) * (0.6 + 0.4 * np.clip(off, 0, 1))
    shaft *= edge(frame.out - 0.08, 0.04) * edge(anatomy.wall - 0.08 - frame.out, 0.1)
    far = oval(frame.out - 0.82, frame.y - anatomy.collar_y - 0.36, 0.2, 0.36, -0.25)
    return 0.17 * shaft + 0.1 * edge(1 - far, 0.12) * (0.5 + 0.5 * np.clip(far, 0, 1))


def spine(frame: Frame, anatomy: Anatomy, pose: Pose) -> Map:
    """Vertebrae, the disc spaces between them, and the dark trachea in front of the upper ones."""
    phase = frame.y / (0.95 * anatomy.rib_spacing)
    disc = edge(0.16 - np.abs(phase - np.rint(phase)), 0.2)
    column = edge(0.085 - np.abs(frame.x - 0.4 * pose.turn), 0.05) * (1 - 0.5 * disc)
    windpipe = edge(0.045 - np.abs(frame.x - pose.turn), 0.04) * edge(-0.25 - frame.y, 0.1)
    return 0.22 * column - 0.3 * windpipe


def body(frame: Frame, anatomy: Anatomy) -> Map:
    """Thickness of trunk, neck, shoulders and arms without lungs; about 1.2 in the middle."""
    beside = np.clip(frame.out - anatomy.neck, 0, None)
    shoulder = anatomy.collar_y - 0.4 + 0.5 * beside / (beside + 0.3)
    wide = anatomy.wall + 0.3 * edge(anatomy.arms - frame.y, 0.5)
    trunk = edge(frame.y - shoulder, 0.06) * edge(wide - frame.out, 0.06)
    neck = edge(anatomy.neck - frame.out, 0.08)
    depth = np.clip(1.2 + anatomy.fat - 0.45 * frame.out * frame.out, 0.4, None)
    return np.maximum(trunk, neck) * depth


def vessels(frame: Frame, anatomy: Anatomy) -> Map:
    """The vessels of the lungs, 0 to 1."""
    canvas = np.zeros(frame.x.shape, np.uint8)
    for lines, width in anatomy.vessels:
        # OpenCV takes sixteenths of a pixel.
        pixels = lines @ frame.to_pixels[:, :2].T + frame.to_pixels[:, 2]
        corners = np.rint(pixels * 16).astype(np.int32)
        thick = max(1, round(width * frame.unit))
        shade = min(255, round(255 * width * frame.unit / thick))
        cv2.polylines(canvas, list(corners), False, shade, thick, cv2.LINE_AA, 4)
    return canvas * np.float32(1 / 255)


def thickness(frame: Frame, anatomy: Anatomy, pose: Pose, lungs: Lungs, disease: Map) -> Map:
    """Thickness of the tissue that the beam passes through, 0 = none.

    Args:
        disease: share of the air in the lungs that is replaced, 0 to 1.
    """
    trunk = body(frame, anatomy)
    air = lungs.air * (1 - 0.9 * np.clip(disease, 0, 1))
    floor = frame.y - (anatomy.dome + pose.breath)
    abdomen = edge(floor - 0.15, 0.5)
    bubble = edge(1 - oval(frame.x - 0.36, floor - 0.13, 0.15, 0.06), 0.5) * (1 - lungs.air)
    breasts = edge(1 - oval(frame.out - 0.48, frame.y - anatomy.breast_y, 0.36, 0.3), 0.25)

    soft = 1 - pose.air * air + 0.25 * abdomen + 0.28 * lungs.heart
    soft += field(frame.rows, frame.columns, anatomy.bulk)
    soft -= 0.3 * anatomy.stomach * bubble
    soft += spine(frame, anatomy, pose)
    total = trunk * soft
    total += 0.16 * anatomy.breasts * breasts
    total += 0.07 * anatomy.markings * vessels(frame, anatomy) * air
    total += np.clip(trunk, 0, 1) * (
        0.12 * anatomy.rib_contrast * ribs(frame, anatomy, pose, lungs)
        + shoulders(frame, anatomy, pose)
    )
    return np.clip(total, 0, None)


def expose(random: Random, tissue: Map, pose: Pose) -> Map:
    """Turn thickness into grey levels, 0 to 1: film curve, blur and grain."""
    grey = tissue / (tissue + pose.film) * (1.9 + pose.film) / 1.9
    grey = ndimage.gaussian_filter(grey, pose.blur * min(grey.shape), truncate=3)
    grain = random.standard_normal(grey.shape, np.float32)
    grain *= pose.noise * np.sqrt(0.4 + np.clip(grey, 0, 1))
    return np.clip(pose.dark + (pose.bright - pose.dark) * grey + grain, 0, 1)
