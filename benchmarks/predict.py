"""How often `cxr predict` warns where it should not, and fails to where it should.

    python -m benchmarks.predict [--real ../shared/data]

For each set of chest X-rays: what is typical is learnt from 70 % of them and the threshold taken
from 15 %; the table says which share of the other 15 % is called untypical (false alarms) and
which share of intruders: the same images inverted, upside down and on their side, CT slices drawn
here, parts of the two photographs that come with scikit-learn (grey, so that colour does not
help), noise, and, where `--real` has them, the CT slices and lateral views of covid_chestxray; and
of the other sets, which are X-rays, but from elsewhere. The phantom is that of data/ after
`dvc repro`, on its own split. Last, how many X-ray files are in colour.
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

from cxr.commands.predict.doubts import COLOURED, colourfulness
from cxr.images.new_images import listed
from cxr.images.process import process
from cxr.images.resize import fit
from cxr.models import ood
from cxr.pipeline import tables
from cxr.pipeline.params import Prepare, load

Images = NDArray[np.uint8]
DRAWN = 60


def main() -> None:
    """Read the command line, measure, print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--real", type=Path, default=Path("../shared/data"))
    options = parser.parse_args()
    settings = load(Path("params.yaml")).prepare
    others = drawn(settings)
    sets = {"phantom": phantom()} if Path("data/split.csv").is_file() else {}
    for name, files in real(options.real).items():
        images = prepared(files, settings)
        if name.startswith("covid_chestxray, "):
            others[name] = images
        else:
            sets[name] = dealt(images)
    whole = {f"all of {name}": np.concatenate(sides) for name, sides in sets.items()}
    table = {
        name: row(*sides, others | {key: whole[key] for key in whole if name not in key})
        for name, sides in sets.items()
    }
    print("Share that is called untypical, by what is called so and the set that was learnt from")
    print(pd.DataFrame(table).round(2).to_string())
    print(f"\nShare of files with more colour than {COLOURED}")
    for name, files in real(options.real).items():
        coloured = np.mean([colourfulness(path) > COLOURED for path in files])
        print(f"  {name:<32}{len(files):6} files {coloured:.3f}")


def row(train: Images, val: Images, test: Images, others: dict[str, Images]) -> dict[str, float]:
    """The share of each kind of image that is called untypical."""
    every = np.concatenate([train, val])
    known = ood.learn(every, np.arange(len(train)), np.arange(len(train), len(every)))
    shown = {
        "images": test,
        "inverted": 255 - test,
        "upside down": test[:, ::-1],
        "on their side": np.rot90(test, axes=(1, 2)),
        **others,
    }
    return {
        f"{name} ({len(images)})" if name in others else name: float(
            np.mean(known.distances(images, np.arange(len(images))) > known.threshold)
        )
        for name, images in shown.items()
    } | {"images in all": len(every) + len(test)}


def phantom() -> tuple[Images, Images, Images]:
    """The images in data/ on their split."""
    pixels, split = np.load("data/pixels.npy"), tables.read(Path("data/split.csv"), tables.Split)
    train, val, test = (pixels[split["row"][split["split"] == side]] for side in tables.SPLITS)
    return train, val, test


def dealt(images: Images) -> tuple[Images, Images, Images]:
    """Training, validation and test images, by chance."""
    images = images[np.random.default_rng(0).permutation(len(images))]
    train, val, test = np.split(images, [int(0.7 * len(images)), int(0.85 * len(images))])
    return train, val, test


def real(folder: Path) -> dict[str, list[Path]]:
    """Files of real data sets, as far as they are there."""
    found = {
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
            found[name] = [path for path in paths if path.is_file()]
    return found


def prepared(files: list[Path], settings: Prepare) -> Images:
    """The usable ones among files, as `prepare` leaves them."""
    rows = [{"image": path.name, "view": "", "patient": "", "mask": ""} for path in files]
    outcomes = [
        process(row, path.parent, settings, None) for row, path in zip(rows, files, strict=True)
    ]
    return np.array([one.pixels for one in outcomes if one.pixels is not None])


def drawn(settings: Prepare) -> dict[str, Images]:
    """Intruders that need no file."""
    random = np.random.default_rng(0)
    side = settings.side
    photos = [Image.fromarray(photo).convert("L") for photo in load_sample_images().images]
    parts = []
    for number in range(DRAWN):
        photo = photos[number % len(photos)]
        part = int(random.integers(min(photo.size) // 3, min(photo.size)))
        left, top = (int(random.integers(0, length - part + 1)) for length in photo.size)
        parts.append(fit(photo.crop((left, top, left + part, top + part)), side, "stretch"))
    noise = random.integers(0, 256, (DRAWN, side, side)).astype(np.uint8)
    slices = np.stack([ct_slice(random, side) for _ in range(DRAWN)])
    return {"photographs": np.stack(parts), "CT, drawn": slices, "noise": noise}


def ct_slice(random: np.random.Generator, side: int) -> Images:
    """A chest as CT shows it: a body seen from below, with two lungs and a spine, on black."""
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
