"""Recall and precision of the search for duplicates, and the speed of comparing hashes.

    python -m benchmarks.dedupe --images ../shared/data/covid19_image ... [--speed 100000]

Real images are copied with typical alterations. Recall is the share of copies that are paired with
their original; precision is the share of found pairs that are an original and its copy. imagededup
(https://github.com/idealo/imagededup) gets the same files, if it is installed. Then the most
similar pairs of different images are compared: none of them is a copy."""

from cxr.pipeline.environment import configure

configure()

import argparse
import io
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from cxr.images.decode import UnusableError, decode
from cxr.images.process import process
from cxr.pipeline.params import Params, load
from stages.dedupe.candidates import find_candidates
from stages.dedupe.hamming import near_pairs
from stages.dedupe.pairs import find_pairs
from stages.dedupe.verification import verify
from stages.download.phantom.images import deal_patients, draw_picture

Grey = NDArray[np.uint8]

SIDES = (64, 96, 224)
# Images with at most this distance in bits are treated as copies; only one of them is used.
SAME = 62
# Largest distance in bits of the different images that are compared.
FAR = 100


def jpeg(quality: int) -> Callable[[Grey], Grey]:
    """Encode as JPEG and decode again."""

    def change(image: Grey) -> Grey:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "JPEG", quality=quality)
        return np.asarray(Image.open(buffer))

    return change


def resize(factor: float) -> Callable[[Grey], Grey]:
    """Scale both sides."""
    return lambda image: np.asarray(
        cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8
    )


def levels(change: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Callable[[Grey], Grey]:
    """Change grey levels from 0 to 1."""
    return lambda image: (change(image / 255).clip(0, 1) * 255).astype(np.uint8)


def crop(share: float) -> Callable[[Grey], Grey]:
    """Cut a share of each side off, half at each end."""

    def change(image: Grey) -> Grey:
        high, wide = (round(length * share / 2) for length in image.shape)
        return image[high : image.shape[0] - high, wide : image.shape[1] - wide]

    return change


def border(share: float) -> Callable[[Grey], Grey]:
    """Add a black border of a share of each side."""
    return lambda image: np.pad(image, [(round(n * share / 2),) * 2 for n in image.shape])


def text(image: Grey) -> Grey:
    """Write a line of text over the image, as export programs do."""
    scale = image.shape[1] / 400
    return cv2.putText(
        image.copy(), "PORTABLE AP 12:04", (10, int(40 * scale)), 0, scale, 255, int(2 * scale) + 1
    )


def boxes(image: Grey) -> Grey:
    """Draw three boxes, as radiologists mark findings."""
    high, wide = image.shape
    random = np.random.default_rng(int(image.sum()) % 1000)
    marked = image.copy()
    for _ in range(3):
        left, top = random.uniform(0.1, 0.6, 2)
        corner = (int(left * wide), int(top * high))
        opposite = (int((left + 0.25) * wide), int((top + 0.25) * high))
        cv2.rectangle(marked, corner, opposite, 255, max(2, wide // 100))
    return marked


def labels(image: Grey) -> Grey:
    """Cover one corner with black, as names are removed, and another one with white."""
    high, wide = image.shape
    covered = image.copy()
    covered[: high // 8, : wide // 3] = 0
    covered[-high // 10 :, wide // 2 :] = 255
    return covered


def square(image: Grey) -> Grey:
    """Pad to a square with black."""
    high, wide = image.shape
    side = max(high, wide)
    top, left = (side - high) // 2, (side - wide) // 2
    return np.pad(image, [(top, side - high - top), (left, side - wide - left)])


def rotate(degrees: float) -> Callable[[Grey], Grey]:
    """Rotate about the middle."""

    def change(image: Grey) -> Grey:
        high, wide = image.shape
        turn = cv2.getRotationMatrix2D((wide / 2, high / 2), degrees, 1)
        return np.asarray(cv2.warpAffine(image, turn, (wide, high)), np.uint8)

    return change


def noise(image: Grey) -> Grey:
    """Add noise of 8 grey levels."""
    grain = np.random.default_rng(0).normal(0, 8, image.shape)
    return (image + grain).clip(0, 255).astype(np.uint8)


def equalize(image: Grey) -> Grey:
    """Equalize the contrast locally."""
    return np.asarray(cv2.createCLAHE(2.0, (8, 8)).apply(image), np.uint8)


def lungs(image: Grey) -> Grey:
    """Make everything black except two ovals, the same in all images, like segmented lungs."""
    high, wide = image.shape
    mask = np.zeros_like(image)
    for middle in (0.3, 0.7):
        centre, radii = (int(middle * wide), high // 2), (int(0.16 * wide), int(0.33 * high))
        cv2.ellipse(mask, centre, radii, 0, 0, 360, 255, -1)
    return np.where(mask > 0, image, 0).astype(np.uint8)


CHANGES: dict[str, Callable[[Grey], Grey]] = {
    "JPEG 95": jpeg(95),
    "JPEG 60": jpeg(60),
    "JPEG 30": jpeg(30),
    "resized × 0.25": resize(0.25),
    "resized × 0.5": resize(0.5),
    "resized × 2": resize(2),
    "brighter": levels(lambda x: x + 0.15),
    "darker": levels(lambda x: x - 0.15),
    "contrast × 0.6": levels(lambda x: 0.5 + 0.6 * (x - 0.5)),
    "contrast × 1.4": levels(lambda x: 0.5 + 1.4 * (x - 0.5)),
    "gamma 0.6": levels(lambda x: x**0.6),
    "gamma 1.6": levels(lambda x: x**1.6),
    "local contrast": equalize,
    "noise": noise,
    "cropped 2 %": crop(0.02),
    "cropped 5 %": crop(0.05),
    "cropped 10 %": crop(0.1),
    "cropped 15 %": crop(0.15),
    "border 4 %": border(0.04),
    "border 10 %": border(0.1),
    "padded to a square": square,
    "rotated by 2°": rotate(2),
    "text overlay": text,
    "corners covered": labels,
    "three boxes": boxes,
    "mirrored": lambda image: np.ascontiguousarray(image[:, ::-1]),
}
LUNG_CHANGES = {
    "JPEG 60": jpeg(60),
    "resized × 0.5": resize(0.5),
    "gamma 0.6": levels(lambda x: x**0.6),
    "cropped 5 %": crop(0.05),
    "padded to a square": square,
    "rotated by 2°": rotate(2),
    "text overlay": text,
}


class Collection:
    """Images in a folder, processed as by `prepare` at a given size."""

    def __init__(self, images: list[Grey], folder: Path, params: Params, reverse: bool) -> None:
        names = [f"{place:05}.png" for place in range(len(images))]
        self.folder = folder
        # The name under which each image is stored.
        self.names = names[::-1] if reverse else names
        for name, image in zip(self.names, images, strict=True):
            if not (folder / name).exists():
                Image.fromarray(image).save(folder / name, compress_level=1)
        empty = {"patient": "", "view": "", "mask": "", "lesion": ""}
        outcomes = [
            process({"image": name, **empty}, folder, params.prepare, None) for name in self.names
        ]
        thumbnails = [one.thumbnail for one in outcomes if one.thumbnail is not None]
        assert len(thumbnails) == len(images), "an image is not usable"
        self.thumbnails = np.stack(thumbnails)
        self.table = pd.DataFrame(
            {
                "image": self.names,
                "row": range(len(images)),
                "sha256": [one.facts["sha256"] for one in outcomes],
            }
        ).sort_values("image", ignore_index=True)

    def duplicates(self, params: Params) -> NDArray[np.int64]:
        """The pairs found to be one exposure, as places in the list of images, sorted."""
        pairs = find_pairs(self.table, self.thumbnails, self.folder, params)
        pairs = pairs[pairs["kind"] != "alike"]
        place = {name: number for number, name in enumerate(self.names)}
        found = np.stack([pairs["first"].map(place), pairs["second"].map(place)], axis=1)
        return np.unique(np.sort(found.astype(np.int64), axis=1), axis=0)


def at_size(params: Params, side: int) -> Params:
    """The settings with images of another size."""
    prepare = params.prepare.model_copy(update={"image_size": side})
    return params.model_copy(update={"prepare": prepare})


def originals(folder: Path, params: Params) -> list[Grey]:
    """The different real images in a folder."""
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in (".png", ".jpg", ".jpeg") and "mask" not in str(path)
    )
    images = []
    for path in paths:
        try:
            image = np.asarray(decode(path.read_bytes(), params.prepare, 256).grey)
        except UnusableError:
            continue
        if min(image.shape) >= 256:
            images.append(image)
    with TemporaryDirectory() as place:
        there = Collection(images, Path(place), params, reverse=False)
    strict = params.dedupe.model_copy(update={"max_distance": SAME})
    rows = np.arange(len(images))
    copies = set(find_candidates(there.thumbnails, rows, strict)["second"])
    return [image for number, image in enumerate(images) if number not in copies]


def score(pairs: NDArray[np.int64], count: int) -> tuple[float, float]:
    """Recall and precision where image k + count is the copy of image k."""
    right = (pairs[:, 0] % count) == (pairs[:, 1] % count)
    return float(right.sum() / count), float(right.mean()) if len(pairs) else 1.0


def imagededup_pairs(folder: Path) -> NDArray[np.int64] | None:
    """Pairs that imagededup finds in the same files with its defaults (PHash)."""
    try:
        from imagededup.methods import PHash
    except ImportError:
        return None
    found = PHash(verbose=False).find_duplicates(image_dir=folder)
    pairs = {
        tuple(sorted((int(Path(a).stem), int(Path(b).stem)))) for a, bs in found.items() for b in bs
    }
    return np.array(sorted(pairs), np.int64).reshape(-1, 2)


def accuracy(images: list[Grey], params: Params) -> None:
    """Print recall and precision of each alteration, at several sizes and in both file orders."""
    count = len(images)
    ways = {name: (images, change) for name, change in CHANGES.items()}
    cut = [lungs(image) for image in images]
    ways |= {f"lungs alone, {name}": (cut, change) for name, change in LUNG_CHANGES.items()}
    sums = np.zeros((len(SIDES) + 1, 3))
    print(f"{count} originals; recall / precision")
    columns = [*(f"{side} px" for side in SIDES), "b, a", "imagededup"]
    print(f"| copy | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for name, (before, change) in ways.items():
        both = before + [change(image) for image in before]
        cells = []
        with TemporaryDirectory() as place, TemporaryDirectory() as reversed_place:
            for number, side in enumerate((*SIDES, SIDES[0])):
                last = number == len(SIDES)
                folder = Path(reversed_place if last else place)
                there = Collection(both, folder, at_size(params, side), reverse=last)
                pairs = there.duplicates(params)
                cells.append("{:.2f} / {:.2f}".format(*score(pairs, count)))
                right = int(((pairs[:, 0] % count) == (pairs[:, 1] % count)).sum())
                if name != "mirrored":
                    sums[number] += right, len(pairs), count
            other = imagededup_pairs(Path(place))
        cells.append("" if other is None else "{:.2f} / {:.2f}".format(*score(other, count)))
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    totals = [f"{right / all_:.3f} / {right / found:.3f}" for right, found, all_ in sums]
    print(f"| **all but mirrored** | {' | '.join(totals)} | |")


def hardest(name: str, images: list[Grey], params: Params) -> None:
    """Print the agreement of the most similar pairs of different images."""
    with TemporaryDirectory() as place:
        there = Collection(images, Path(place), params, reverse=False)
        loose = params.dedupe.model_copy(update={"max_distance": FAR})
        rows = np.arange(len(images))
        candidates = find_candidates(there.thumbnails, rows, loose)
        paths = [there.folder / name for name in there.names]
        least = params.dedupe.min_agreement
        agreement = verify(candidates, there.thumbnails, rows, paths, params.prepare, least)
    top = np.sort(agreement)[::-1]
    shown = ", ".join(f"{value:.2f}" for value in top[:3])
    wrong = int((agreement >= least).sum())
    print(f"| {name} | {len(images)} | {len(candidates)} | {shown} | {wrong} |", flush=True)


def phantoms(params: Params, patients: int = 100) -> list[Grey]:
    """Four images of each patient of the phantom, which differ in pose and breath."""
    settings = params.phantom.model_copy(update={"patients": patients})
    return [
        (draw_picture(settings, patient, image).grey * 255).astype(np.uint8)
        for patient, _ in deal_patients(settings)
        for image in range(1, 5)
    ]


def speed(count: int) -> None:
    """Print how long it takes to compare all pairs of random hashes."""
    rows = np.random.default_rng(0).integers(0, 256, (count, 32), np.uint8)
    codes = [row.tobytes().hex() for row in rows]
    start = time.perf_counter()
    near_pairs(codes, 32)
    print(f"{count} hashes, all pairs: {time.perf_counter() - start:.1f} s")


def main() -> None:
    """Read the command line and run all parts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    default = Path("../shared/data/covid19_image")
    parser.add_argument("--images", type=Path, nargs="+", default=[default], metavar="FOLDER")
    parser.add_argument("--count", type=int, default=50, help="originals of each folder")
    parser.add_argument("--speed", type=int, default=0, metavar="HASHES")
    options = parser.parse_args()
    params = load(Path("params.yaml"))
    folders = [folder for folder in options.images if folder.is_dir()]
    for missing in set(options.images) - set(folders):
        print(f"skipped: {missing} is not there")
    everything = {folder.name: originals(folder, params) for folder in folders}
    chosen = [
        images[number]
        for images in everything.values()
        for number in np.linspace(0, len(images) - 1, min(options.count, len(images))).astype(int)
    ]
    if chosen:
        accuracy(chosen, params)
    print("\n| pictures | number | pairs | highest agreement | wrong |\n|---|---|---|---|---|")
    for name, images in everything.items():
        hardest(name, images, params)
        hardest(f"{name}, lungs alone", [lungs(image) for image in images], params)
    hardest("phantom, four of each patient", phantoms(params), params)
    if options.speed:
        speed(options.speed)


if __name__ == "__main__":
    main()
