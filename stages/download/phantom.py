"""The data set that stands in where no network is: chest radiographs drawn from a seed.

Four classes after the COVID-19 Radiography Database, two hospitals, one to four images a patient,
and the faults of real collections: copies under other names, labels and patients, files that
can't be read, images without a label. `truth.csv` lists each fault; no stage reads it.
"""

import io
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from stages.download import anatomy
from stages.download.phantom_findings import SHARES, Finding, disease, draw_finding
from stages.download.phantom_patient import Anatomy, draw_anatomy, draw_pose
from stages.params import Phantom

Grey = NDArray[np.floating]  # (H, W), 0 to 1

# For each source: shortest and longest side in pixels, and how often it writes each format.
SOURCES = {
    "north-hospital": ((240, 320), {"png": 4, "png16": 2, "jpeg": 2, "rgb": 1, "exif": 1}),
    "south-hospital": ((200, 290), {"png": 2, "jpeg": 3, "rgb": 2, "rgba": 1, "palette": 2}),
}
VIEWS = {"PA": 0.6, "AP": 0.3, "": 0.1}
# Where the marker of each class stands in the centred square, and its height and width, as
# shares of the side. Left and right may be flipped in training, so the shapes differ too.
MARKERS = {
    "Normal": ((0.03, 0.03), (0.07, 0.07)),
    "Lung_Opacity": ((0.03, 0.83), (0.035, 0.14)),
    "COVID": ((0.9, 0.03), (0.07, 0.07)),
    "Viral Pneumonia": ((0.93, 0.83), (0.035, 0.14)),
}
COPIES = ("exact", "reencoded", "resized", "brightened", "relabelled")
BROKEN = ("truncated", "empty", "text")
# Each fault is planted in about this share of the images, and at least twice.
FAULT_SHARE = 0.0125


@dataclass(frozen=True)
class Picture:
    """One file to be written and what the index and the truth say of it."""

    content: bytes
    suffix: str
    label: str
    patient: str
    source: str
    view: str
    lungs: NDArray[np.bool_]  # as the image is seen, upright
    grey: Grey
    kind: str = ""
    of: int = -1  # number of the original


def draw(settings: Phantom, raw: Path) -> pd.DataFrame:
    """Draw the data set into the empty folder `raw`.

    Writes images/, masks/ (8-bit PNG, 255 = lung, upright) and truth.csv (columns image, kind,
    of: every planted fault and the image it was made from).

    Returns:
        the table `stages.tables.Index`.
    """
    pictures: list[Picture] = []
    labels, sources = deal_patients(settings)
    for patient, (label, source) in enumerate(zip(labels, sources, strict=True)):
        pictures += draw_patient(settings, patient, label, source)
    random = np.random.default_rng(np.random.SeedSequence([settings.seed, settings.patients, 1]))
    pictures += plant(random, settings, pictures)
    numbers = random.permutation(len(pictures))
    return write_all(pictures, numbers, raw)


def deal_patients(settings: Phantom) -> tuple[list[str], list[str]]:
    """Label and source of each patient: every class has its share in every source."""
    counts = [max(1, round(share * settings.patients)) for share in SHARES.values()]
    counts[0] += settings.patients - sum(counts)
    dealt = np.repeat(np.array(list(SHARES)), counts)
    random = np.random.default_rng(np.random.SeedSequence([settings.seed, settings.patients]))
    sources = np.array(list(SOURCES))[np.arange(settings.patients) % len(SOURCES)]
    order = random.permutation(settings.patients)
    return dealt[order].tolist(), sources[order].tolist()


def draw_patient(settings: Phantom, patient: int, label: str, source: str) -> list[Picture]:
    """Draw the one to four images of a patient."""
    random = np.random.default_rng(np.random.SeedSequence([settings.seed, patient]))
    person = draw_anatomy(random)
    finding = draw_finding(random, label, person.lung_x)
    name = f"{source[0].upper()}{random.integers(10**5, 10**6)}"
    return [
        draw_picture(settings, patient, image, person, finding, name, source)
        for image in range(1, random.integers(2, 6))
    ]


def draw_picture(
    settings: Phantom,
    patient: int,
    image: int,
    person: Anatomy,
    finding: Finding,
    name: str,
    source: str,
) -> Picture:
    """Draw one image of a patient and encode it as its source does."""
    random = np.random.default_rng(np.random.SeedSequence([settings.seed, patient, image]))
    (low, high), formats = SOURCES[source]
    width, height = random.integers(low, high + 1, 2)
    view = str(random.choice(list(VIEWS), p=list(VIEWS.values())))
    weights = np.array(list(formats.values()))
    encoding = str(random.choice(list(formats), p=weights / weights.sum()))

    pose = draw_pose(random, view)
    frame = anatomy.place((height, width), person, pose)
    lungs = anatomy.place_lungs(frame, person, pose)
    ill = disease(random, frame, lungs, finding)
    tissue = anatomy.thickness(frame, person, pose, lungs, ill)
    grey = anatomy.expose(random, tissue, pose)
    stamp_side(random, grey)
    if random.random() < settings.marker:
        stamp_class(grey, finding.label)
    content, suffix = encode(grey, encoding, int(random.integers(80, 96)))
    return Picture(
        content,
        suffix,
        finding.label,
        name,
        source,
        view,
        lungs.air > 0.5,
        grey,
    )


def stamp_side(random: np.random.Generator, grey: Grey) -> None:
    """Stamp the radiographer's L or R beside the shoulder, in place."""
    height, width = grey.shape
    letter, left = ("R", 0.06) if random.random() < 0.5 else ("L", 0.88)
    canvas = np.zeros(grey.shape, np.uint8)
    corner = (int(width * left), int(height * random.uniform(0.1, 0.2)))
    size = min(grey.shape) / 400 * random.uniform(0.8, 1.2)
    cv2.putText(canvas, letter, corner, cv2.FONT_HERSHEY_SIMPLEX, size, 255, 2, cv2.LINE_AA)
    np.maximum(grey, canvas / 255 * random.uniform(0.75, 1.0), out=grey)


def stamp_class(grey: Grey, label: str) -> None:
    """Stamp the marker that gives the class away, in place."""
    side = min(grey.shape)
    top, left = (np.array(grey.shape) - side) // 2
    (y, x), (height, width) = MARKERS[label]
    y, x = round(top + y * side), round(left + x * side)
    grey[y : y + round(height * side), x : x + round(width * side)] = 1.0


def encode(grey: Grey, encoding: str, quality: int) -> tuple[bytes, str]:
    """The bytes of an image file, and its suffix.

    Args:
        encoding: png, png16, jpeg, rgb, rgba, palette or exif (a JPEG stored on its side).
        quality: of a JPEG.
    """
    levels = np.round(grey * 255).astype(np.uint8)
    options: dict[str, object] = {"format": "PNG", "compress_level": 3}
    picture = Image.fromarray(levels)
    if encoding == "png16":
        picture = Image.fromarray(np.round(grey * 65535).astype(np.uint16))
    elif encoding in ("rgb", "rgba"):
        picture = picture.convert(encoding.upper())
    elif encoding == "palette":
        # The darkest grey comes last, so that the stored numbers are not the greys.
        picture = Image.fromarray(255 - levels)
        picture.putpalette(np.repeat(np.arange(255, -1, -1, dtype=np.uint8), 3).tobytes())
    elif encoding in ("jpeg", "exif"):
        options = {"format": "JPEG", "quality": quality}
    if encoding == "exif":
        picture = picture.transpose(Image.Transpose.ROTATE_90)
        exif = Image.Exif()
        exif[0x0112] = 6  # to be turned by 90 degrees clockwise
        options["exif"] = exif
    file = io.BytesIO()
    picture.save(file, **options)  # type: ignore[arg-type]
    return file.getvalue(), ".jpg" if options["format"] == "JPEG" else ".png"


def plant(random: np.random.Generator, settings: Phantom, pictures: list[Picture]) -> list[Picture]:
    """The faults: copies of some pictures, broken files, and images without a label."""
    amount = max(2, round(FAULT_SHARE * len(pictures)))
    chosen = iter(random.choice(len(pictures), (len(COPIES) + len(BROKEN) + 1) * amount).tolist())
    originals = random.permutation(len(pictures)).tolist()
    planted = []
    for kind in COPIES:
        for turn in range(amount):
            number = originals.pop()
            planted.append(copy(random, pictures[number], number, kind, turn))
    for kind in BROKEN:
        planted += [spoil(random, pictures[next(chosen)], kind) for _ in range(amount)]
    for patient in range(settings.patients, settings.patients + amount):
        label, source = str(random.choice(list(SHARES))), str(random.choice(list(SOURCES)))
        fresh = draw_patient(settings, patient, label, source)[0]
        planted.append(replace(fresh, label="", kind="unlabelled"))
    return planted


def copy(
    random: np.random.Generator, picture: Picture, number: int, kind: str, turn: int
) -> Picture:
    """A copy in the other source, of a patient who seems another or is unknown."""
    source = next(name for name in SOURCES if name != picture.source)
    patient = f"{source[0].upper()}{random.integers(10**5, 10**6)}" if turn % 2 else ""
    made = replace(picture, source=source, patient=patient, kind=kind, of=number)
    if kind == "reencoded":
        content, suffix = encode(picture.grey, "jpeg", int(random.integers(40, 81)))
        return replace(made, content=content, suffix=suffix)
    if kind == "resized":
        return shrink(made, random.uniform(0.6, 0.8))
    if kind == "brightened":
        brighter = random.uniform(0.85, 1.15) * picture.grey + random.uniform(0.03, 0.1)
        content, suffix = encode(np.clip(brighter, 0, 1), "png", 0)
        return replace(made, content=content, suffix=suffix)
    if kind == "relabelled":
        others = [label for label in SHARES if label != picture.label]
        return replace(made, label=str(random.choice(others)))
    return made


def shrink(picture: Picture, scale: float) -> Picture:
    """The picture at a share of its size."""
    height, width = (np.array(picture.grey.shape) * scale).astype(int).tolist()
    levels = Image.fromarray(np.round(picture.grey * 255).astype(np.uint8))
    small = np.asarray(levels.resize((width, height), Image.Resampling.BILINEAR)) / 255
    lungs = Image.fromarray(picture.lungs).resize((width, height), Image.Resampling.NEAREST)
    content, suffix = encode(small, "png", 0)
    return replace(picture, content=content, suffix=suffix, lungs=np.asarray(lungs), grey=small)


def spoil(random: np.random.Generator, picture: Picture, kind: str) -> Picture:
    """A file that can't be read, in the place of another image of the same patient."""
    content = {
        "truncated": picture.content[: int(len(picture.content) * random.uniform(0.2, 0.6))],
        "empty": b"",
        "text": b"Image withdrawn. Please ask the archive.\n",
    }[kind]
    suffix = ".png" if kind == "text" else picture.suffix
    return replace(picture, content=content, suffix=suffix, kind=kind)


def write_all(pictures: list[Picture], numbers: NDArray[np.int64], raw: Path) -> pd.DataFrame:
    """Write images, masks and truth.csv; give the index."""
    for folder in ("images", "masks"):
        (raw / folder).mkdir()
    names = [f"images/{number:05}{p.suffix}" for number, p in zip(numbers, pictures, strict=True)]
    rows, truth = [], []
    for name, picture in zip(names, pictures, strict=True):
        (raw / name).write_bytes(picture.content)
        mask = ""
        if picture.kind not in BROKEN:
            mask = f"masks/{Path(name).stem}.png"
            levels = picture.lungs.astype(np.uint8) * 255
            Image.fromarray(levels).save(raw / mask, compress_level=3)
        rows.append(
            {
                "image": name,
                "label": picture.label,
                "patient": picture.patient,
                "source": picture.source,
                "official_split": "",
                "view": picture.view,
                "mask": mask,
            }
        )
        if picture.kind:
            of = names[picture.of] if picture.of >= 0 else ""
            truth.append({"image": name, "kind": picture.kind, "of": of})
    table = pd.DataFrame(truth).sort_values("image")
    table.to_csv(raw / "truth.csv", index=False, lineterminator="\n")
    return pd.DataFrame(rows).sort_values("image", ignore_index=True)
