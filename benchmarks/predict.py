"""Error rates of the out-of-distribution warnings of `cxr predict`.

    python -m benchmarks.predict [--real ../shared/data]

For each set of chest X-rays, the detector is fitted on 70 % of the images and its threshold on
15 %. The first table gives the share of flagged images among the other 15 % (false alarms) and
among images that do not belong: the same images inverted, upside down and rotated by 90 degrees,
simulated CT slices, crops of the two photographs that come with scikit-learn (grey, so that colour
does not help), noise, the CT slices and lateral views of covid_chestxray (if `--real` has them),
and X-rays from the other sets. The phantom is taken from data/ after `dvc repro`, with its own
split. The second table gives the share of X-ray files that are in colour.
"""

from cxr.pipeline.environment import configure

configure()

import argparse
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_sample_images

from cxr.commands.predict.input_warnings import MAX_COLOURFULNESS, measure_colourfulness
from cxr.images.new_images import listed
from cxr.images.process import process
from cxr.images.resize import fit
from cxr.models.ood import OodDetector
from cxr.pipeline import tables
from cxr.pipeline.params import Prepare, load

Images = NDArray[np.uint8]
SIMULATED = 60
"""Number of images of each simulated kind."""


def main() -> None:
    """Read the command line, measure, print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--real", type=Path, default=Path("../shared/data"))
    options = parser.parse_args()
    settings = load(Path("params.yaml")).prepare
    others = simulated_images(settings)
    sets = {"phantom": phantom()} if Path("data/split.csv").is_file() else {}
    for name, files in real_files(options.real).items():
        images = prepare_images(files, settings)
        if name.startswith("covid_chestxray, "):
            others[name] = images
        else:
            sets[name] = random_split(images)
    whole = {f"all of {name}": np.concatenate(splits) for name, splits in sets.items()}
    table = {
        name: flagged_shares(
            *splits, others | {key: whole[key] for key in whole if name not in key}
        )
        for name, splits in sets.items()
    }
    print("Share of flagged images, by kind (rows) and by the set the detector was fitted on")
    print(pd.DataFrame(table).round(2).to_string())
    print(f"\nShare of files with a colourfulness above {MAX_COLOURFULNESS}")
    for name, files in real_files(options.real).items():
        coloured = np.mean([measure_colourfulness(path) > MAX_COLOURFULNESS for path in files])
        print(f"  {name:<32}{len(files):6} files {coloured:.3f}")


def flagged_shares(
    train: Images, val: Images, test: Images, others: dict[str, Images]
) -> dict[str, float]:
    """The share of flagged images of each kind."""
    every = np.concatenate([train, val])
    detector = OodDetector.fit(every, np.arange(len(train)), np.arange(len(train), len(every)))
    shown = {
        "images": test,
        "inverted": 255 - test,
        "upside down": test[:, ::-1],
        "rotated": np.rot90(test, axes=(1, 2)),
        **others,
    }
    return {
        f"{name} ({len(images)})" if name in others else name: float(
            np.mean(detector.distances(images) > detector.threshold)
        )
        for name, images in shown.items()
    } | {"images in all": len(every) + len(test)}


def phantom() -> tuple[Images, Images, Images]:
    """The images in data/ on their split."""
    pixels, split = np.load("data/pixels.npy"), tables.read(Path("data/split.csv"), tables.Split)
    train, val, test = (pixels[split["row"][split["split"] == side]] for side in tables.SPLITS)
    return train, val, test


def random_split(images: Images) -> tuple[Images, Images, Images]:
    """Random training, validation and test images."""
    images = images[np.random.default_rng(0).permutation(len(images))]
    train, val, test = np.split(images, [int(0.7 * len(images)), int(0.85 * len(images))])
    return train, val, test


def real_files(folder: Path) -> dict[str, list[Path]]:
    """Files of the real data sets that exist in the folder."""
    files = {
        name: [path for path in listed([folder / name]) if path.suffix != ".csv"]
        for name in ("covid19_image", "tb4")
        if (folder / name).is_dir()
    }
    metadata = folder / "covid_chestxray" / "metadata.csv"
    if metadata.is_file():
        table = pd.read_csv(metadata).drop_duplicates("filename")
        frontal = (table["modality"] == "X-ray") & (table["view"] != "L")
        kinds = {
            "covid_chestxray": frontal,
            "covid_chestxray, CT": table["modality"] == "CT",
            "covid_chestxray, lateral": table["view"] == "L",
        }
        for name, which in kinds.items():
            paths = [metadata.parent / "images" / file for file in table["filename"][which]]
            files[name] = [path for path in paths if path.is_file()]
    return files


def prepare_images(files: list[Path], settings: Prepare) -> Images:
    """Read files as the `prepare` stage does; unusable ones are left out."""
    rows = [
        {"image": path.name, "view": "", "patient": "", "mask": "", "lesion": ""} for path in files
    ]
    outcomes = [
        process(row, path.parent, settings, None) for row, path in zip(rows, files, strict=True)
    ]
    return np.array([outcome.pixels for outcome in outcomes if outcome.pixels is not None])


def simulated_images(settings: Prepare) -> dict[str, Images]:
    """Photographs, CT slices and noise, made without any file."""
    random = np.random.default_rng(0)
    side = settings.image_size
    photos = [Image.fromarray(photo).convert("L") for photo in load_sample_images().images]
    parts = []
    for number in range(SIMULATED):
        photo = photos[number % len(photos)]
        part = int(random.integers(min(photo.size) // 3, min(photo.size)))
        left, top = (int(random.integers(0, length - part + 1)) for length in photo.size)
        parts.append(fit(photo.crop((left, top, left + part, top + part)), side, "stretch"))
    noise = random.integers(0, 256, (SIMULATED, side, side)).astype(np.uint8)
    slices = np.stack([ct_slice(random, side) for _ in range(SIMULATED)])
    return {"photographs": np.stack(parts), "CT, simulated": slices, "noise": noise}


def ct_slice(random: np.random.Generator, side: int) -> Images:
    """An axial CT slice of a chest: body, two lungs and a spine on black."""
    image = np.zeros((side, side), np.float32)

    def ellipse(x: float, y: float, width: float, height: float, grey: float) -> None:
        move = random.normal(0, 0.015, 4)
        centre = (int((x + move[0]) * side), int((y + move[1]) * side))
        axes = (int((width + move[2]) * side), int((height + move[3]) * side))
        cv2.ellipse(image, centre, axes, random.uniform(-8, 8), 0, 360, grey, -1)

    ellipse(0.5, 0.5, 0.46, 0.34, random.uniform(120, 170))
    for x in (0.3, 0.7):
        ellipse(x, 0.5, 0.14, 0.22, random.uniform(10, 50))
    ellipse(0.5, 0.72, 0.07, 0.07, random.uniform(200, 250))
    image += random.normal(0, 8, image.shape)
    return cv2.GaussianBlur(image, (0, 0), side / 120).clip(0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
