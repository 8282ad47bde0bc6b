"""How well planted duplicates of real X-rays are found, and how fast many hashes are compared.

    python -m benchmarks.dedupe --images ../shared/data/covid19_image [--speed 100000]

Copies of real images are made in every way that copies come about. Recall is the share of copies
that are paired with their original; precision the share of pairs found that are of one original.
imagededup (https://github.com/idealo/imagededup), if it is installed, sees the same files.
"""

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
from cxr.duplicates.hamming import near_pairs
from cxr.duplicates.pairs import find_duplicate_pairs
from numpy.typing import NDArray
from PIL import Image

from cxr.images.decode import decode
from cxr.images.phash import phashes
from cxr.images.resize import fit
from cxr.pipeline.params import Dedupe, Prepare, load

Grey = NDArray[np.uint8]


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
    """Write a line over the image, as exporting programs do."""
    scale = image.shape[1] / 400
    return cv2.putText(
        image.copy(), "PORTABLE AP 12:04", (10, int(40 * scale)), 0, scale, 255, int(2 * scale) + 1
    )


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
    "cropped 2 %": crop(0.02),
    "cropped 5 %": crop(0.05),
    "cropped 10 %": crop(0.1),
    "border 4 %": border(0.04),
    "text overlay": text,
    "mirrored": lambda image: np.ascontiguousarray(image[:, ::-1]),
}


def originals(folder: Path, count: int, settings: Prepare) -> list[Grey]:
    """Real images of which none is a copy of another, by a wide margin."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and "mask" not in path.name)
    images = [
        np.asarray(decode(path.read_bytes(), settings).grey)
        for path in paths
        if path.suffix not in (".csv", ".md")
    ]
    images = [image for image in images if min(image.shape) >= 256]
    codes = phashes(
        [fit(Image.fromarray(image), settings.image_size, settings.resize_mode) for image in images]
    )
    copies = {second for _, second, _ in near_pairs(codes, 64).tolist()}
    return [image for place, image in enumerate(images) if place not in copies][:count]


def table_of(images: list[Grey], settings: Prepare) -> tuple[pd.DataFrame, Grey]:
    """Images as prepare leaves them."""
    pixels = np.stack(
        [fit(Image.fromarray(image), settings.image_size, settings.resize_mode) for image in images]
    )
    return pd.DataFrame({"row": range(len(images)), "phash": phashes(list(pixels))}), pixels


def score(pairs: NDArray[np.int64], count: int) -> tuple[float, float]:
    """Recall and precision where image k + count is the copy of image k."""
    right = (pairs[:, 0] % count) == (pairs[:, 1] % count)
    return float(right.sum() / count), float(right.mean()) if len(pairs) else 1.0


def imagededup_pairs(images: list[Grey]) -> NDArray[np.int64] | None:
    """What imagededup finds in the same images, saved losslessly, by its defaults (PHash)."""
    try:
        from imagededup.methods import PHash
    except ImportError:
        return None
    with TemporaryDirectory() as folder:
        for place, image in enumerate(images):
            Image.fromarray(image).save(Path(folder) / f"{place}.png")
        found = PHash(verbose=False).find_duplicates(image_dir=folder)
    pairs = {
        tuple(sorted((int(Path(a).stem), int(Path(b).stem)))) for a, bs in found.items() for b in bs
    }
    return np.array(sorted(pairs), np.int64).reshape(-1, 2)


def accuracy(images: list[Grey], prepare: Prepare, settings: Dedupe) -> None:
    """Print recall and precision for each way of copying and several settings."""
    count = len(images)
    ways = {
        f"{distance} bits" + (f", {least}" if least > -1 else "") + flips * ", flips": (
            settings.model_copy(
                update={
                    "max_distance": distance,
                    "min_correlation": least,
                    "rotations_and_flips": flips,
                }
            )
        )
        for distance, least, flips in (
            (32, -1.0, False), (64, -1.0, False), (80, -1.0, False), (64, 0.88, False),
            (80, 0.88, False), (64, 0.95, False), (64, 0.88, True),
        )
    }  # fmt: skip
    print(f"{count} originals; recall / precision")
    print(f"| copy | {' | '.join(ways)} | imagededup |")
    print(f"|---|{'---|' * (len(ways) + 1)}")
    for name, change in CHANGES.items():
        both = images + [change(image) for image in images]
        table, pixels = table_of(both, prepare)
        cells = []
        for way in ways.values():
            pairs = find_duplicate_pairs(table, pixels, way)[["first", "second"]].to_numpy()
            cells.append("{:.2f} / {:.2f}".format(*score(pairs, count)))
        other = imagededup_pairs(both)
        cells.append(
            "not installed" if other is None else "{:.2f} / {:.2f}".format(*score(other, count))
        )
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def speed(count: int) -> None:
    """Print how long it takes to compare random hashes, all with all."""
    rows = np.random.default_rng(0).integers(0, 256, (count, 32), np.uint8)
    codes = [row.tobytes().hex() for row in rows]
    start = time.perf_counter()
    near_pairs(codes, 32)
    print(f"{count} hashes, all pairs: {time.perf_counter() - start:.1f} s")


def main() -> None:
    """Read the command line and run both."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--images", type=Path, default=Path("../shared/data/covid19_image"))
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--speed", type=int, default=0, metavar="HASHES")
    options = parser.parse_args()
    params = load(Path("params.yaml"))
    if options.images.is_dir():
        images = originals(options.images, options.count, params.prepare)
        accuracy(images, params.prepare, params.dedupe)
    else:
        print(f"skipped: {options.images} is not there")
    if options.speed:
        speed(options.speed)


if __name__ == "__main__":
    main()
