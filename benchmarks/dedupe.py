"""How well copies of real X-rays are told from other X-rays, and how fast hashes are compared.

    python -m benchmarks.dedupe --images ../shared/data/covid19_image ... [--speed 100000]

Copies of real images are made in every way that copies come about. Recall is the share of copies
that are paired with their original; precision the share of pairs found that are of one original.
imagededup (https://github.com/idealo/imagededup) and fastdup
(https://github.com/visual-layer/fastdup) see the same files if they are installed; if not, their
columns are empty. Then the pairs of different pictures that look most alike are compared: none of
them is a copy.
"""

from cxr.pipeline.environment import configure

configure()

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from benchmarks.copies import CHANGES, LUNG_CHANGES, Grey, lungs
from cxr.images.decode import UnusableError, decode
from cxr.images.process import process
from cxr.pipeline.params import Dedupe, Params, load
from stages.dedupe.candidates import NO_CANDIDATES, among_best, find_candidates
from stages.dedupe.description import undescribed
from stages.dedupe.hamming import near_pairs
from stages.dedupe.pairs import find_pairs
from stages.dedupe.verification import verify
from stages.download.phantom.images import deal_patients, draw_picture

SIDES = (64, 96, 224)
# Images of one picture are at most so far apart, and others hardly ever: one of each is used.
SAME = 62
# Bits up to which pictures are compared that are no copies.
FAR = 100


class Collection:
    """Images in a folder as `prepare` leaves them, at a size."""

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

    def candidates(self, settings: Dedupe) -> pd.DataFrame:
        """The pairs that would be verified, by the places of the images."""
        rows = np.arange(len(self.names))
        candidates = find_candidates(
            self.thumbnails, rows, settings, upright=undescribed(len(rows)), known=NO_CANDIDATES
        )
        return candidates[among_best(candidates)]

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
    copies = set(there.candidates(strict)["second"])
    return [image for number, image in enumerate(images) if number not in copies]


def score(right: float, found: float, copies: float, digits: int) -> str:
    """Recall and precision; precision is 1 if nothing was found."""
    precision = right / found if found else 1.0
    return f"{right / copies:.{digits}f} / {precision:.{digits}f}"


def imagededup_pairs(folder: Path) -> NDArray[np.int64] | None:
    """What imagededup finds in the same files by its defaults (PHash)."""
    try:
        from imagededup.methods import PHash
    except ImportError:
        return None
    found = PHash(verbose=False).find_duplicates(image_dir=folder)
    return numbered((a, b) for a, others in found.items() for b in others)


# In a process of its own: it prints a lot, and loads another OpenCV.
FASTDUP = """
import sys, fastdup
folder, work = sys.argv[1:]
found = fastdup.create(work_dir=work, input_dir=folder)
found.run(overwrite=True)
found.similarity().to_csv(f"{work}/pairs.csv")
"""
# Its default similarity for clusters of duplicates.
FASTDUP_SIMILAR = 0.96


def fastdup_pairs(folder: Path) -> NDArray[np.int64] | None:
    """What fastdup finds in the same files by its defaults."""
    if find_spec("fastdup") is None:
        return None
    with TemporaryDirectory() as work:
        subprocess.run(
            [sys.executable, "-c", FASTDUP, str(folder), work],
            env={**os.environ, "SENTRY_OPT_OUT": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        found = pd.read_csv(Path(work) / "pairs.csv")
    found = found[found["distance"] >= FASTDUP_SIMILAR]
    return numbered(zip(found["filename_from"], found["filename_to"], strict=True))


def numbered(pairs: Iterable[tuple[str, str]]) -> NDArray[np.int64]:
    """Pairs of files as places in the list of images, each once."""
    places = {tuple(sorted(int(Path(name).stem) for name in pair)) for pair in pairs}
    return np.array(sorted(places), np.int64).reshape(-1, 2)


OTHERS = {"imagededup": imagededup_pairs, "fastdup": fastdup_pairs}


def accuracy(images: list[Grey], params: Params) -> None:
    """Print recall and precision for each way of copying, at several sizes and in both orders."""
    count = len(images)
    ways = {name: (images, change) for name, change in CHANGES.items()}
    cut = [lungs(image) for image in images]
    ways |= {f"lungs alone, {name}": (cut, change) for name, change in LUNG_CHANGES.items()}
    columns = [*(f"{side} px" for side in SIDES), "b, a", *OTHERS]
    sums = {column: np.zeros(3) for column in columns}
    print(f"{count} originals; recall / precision")
    print(f"| copy | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for name, (before, change) in ways.items():
        both = before + [change(image) for image in before]
        with TemporaryDirectory() as place, TemporaryDirectory() as reversed_place:
            pairs: dict[str, NDArray[np.int64] | None] = {}
            for column, side in zip(columns, (*SIDES, SIDES[0]), strict=False):
                last = column == "b, a"
                folder = Path(reversed_place if last else place)
                there = Collection(both, folder, at_size(params, side), reverse=last)
                pairs[column] = there.duplicates(params)
            pairs |= {other: find(Path(place)) for other, find in OTHERS.items()}
        cells = []
        for column in columns:
            found = pairs[column]
            if found is None:
                cells.append("")
                continue
            right = int(((found[:, 0] % count) == (found[:, 1] % count)).sum())
            if name != "mirrored":
                sums[column] += right, len(found), count
            cells.append(score(right, len(found), count, 2))
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    totals = [
        score(right, found, copies, 3) if copies else "" for right, found, copies in sums.values()
    ]
    print(f"| **all but mirrored** | {' | '.join(totals)} |")


def hardest(name: str, images: list[Grey], params: Params) -> None:
    """Print how alike the most alike pairs of different pictures are."""
    with TemporaryDirectory() as place:
        there = Collection(images, Path(place), params, reverse=False)
        loose = params.dedupe.model_copy(update={"max_distance": FAR})
        candidates = there.candidates(loose)
        rows = np.arange(len(images))
        paths = [there.folder / name for name in there.names]
        least = params.dedupe.min_agreement
        agreement = verify(candidates, there.thumbnails, rows, paths, params.prepare, least)
    top = np.sort(agreement)[::-1]
    shown = ", ".join(f"{value:.2f}" for value in top[:3])
    wrong = int((agreement >= least).sum())
    print(f"| {name} | {len(images)} | {len(candidates)} | {shown} | {wrong} |", flush=True)


def phantoms(params: Params, patients: int = 100) -> list[Grey]:
    """Four images of each patient of the phantom, in other poses and other breath."""
    settings = params.phantom.model_copy(update={"patients": patients})
    return [
        (draw_picture(settings, patient, image).grey * 255).astype(np.uint8)
        for patient, _ in deal_patients(settings)
        for image in range(1, 5)
    ]


def speed(count: int) -> None:
    """Print how long it takes to compare random hashes, all with all."""
    rows = np.random.default_rng(0).integers(0, 256, (count, 32), np.uint8)
    start = time.perf_counter()
    near_pairs(rows, rows, 32)
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
