"""The phantom: a data set of synthetic chest radiographs, which needs no network connection.

It has four classes named as in the COVID-19 Radiography Database, two hospitals, one to four images
of each patient, and the faults of real collections: copies under other names, patients and labels,
unreadable files, and images without a label.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from PIL import Image

from cxr.pipeline.params import Phantom
from stages.download.phantom import anatomy, faults
from stages.download.phantom.findings import SHARES, Finding, disease, draw_finding, lesion_mask
from stages.download.phantom.patient import Anatomy, Random, draw_anatomy, draw_pose
from stages.download.phantom.picture import Picture, encode, stamp_class, stamp_side

# For each source: its shortest and longest side in pixels, and how often it uses each encoding.
SOURCES = {
    "north-hospital": ((220, 304), {"png": 4, "png16": 2, "jpeg": 2, "rgb": 1, "turned": 1}),
    "south-hospital": ((200, 272), {"png": 2, "jpeg": 3, "rgb": 2, "rgba": 1, "palette": 2}),
}
VIEWS = {"PA": 0.6, "AP": 0.3, "": 0.1}
# Number of each kind of fault, as a share of the images; at least two.
FAULT_SHARE = 0.0125

# The purposes of random numbers; part of their seeds.
DEAL, PLANT, PATIENT, RECORD = range(4)
# Probability that a patient's sex is unknown; the same for the age.
UNKNOWN = 0.05


@dataclass(frozen=True)
class Patient:
    """A patient: number, hospital, anatomy, disease and demographics."""

    number: int
    source: str
    anatomy: Anatomy
    finding: Finding
    sex: str
    age: str  # years

    @property
    def id(self) -> str:
        """The id in the index, unique for each patient."""
        return patient_id(self.source, self.number)


def draw(settings: Phantom, raw: Path) -> pd.DataFrame:
    """Draw the data set into the empty folder `raw`.

    Writes images/; masks/ and lesions/ (8-bit PNG in the orientation of the upright image, 255 =
    lung or lesion); and truth.csv, which lists the faults: image, kind (exact, reencoded, resized,
    brightened, relabelled, truncated, empty, text, unlabelled), of (a copy's original). truth.csv
    is for tests; no stage may read it.

    Returns:
        the table `cxr.pipeline.tables.Index`.
    """
    pictures = Parallel(n_jobs=-1)(
        delayed(draw_picture)(settings, patient, image)
        for patient, images in deal_patients(settings)
        for image in range(1, images + 1)
    )
    pictures += plant_faults(settings, pictures)
    order = stream(settings.seed, DEAL, 1).permutation(len(pictures))
    names = [
        f"images/{place:05}{picture.suffix}" for place, picture in zip(order, pictures, strict=True)
    ]
    for folder in ("images", "masks", "lesions"):
        (raw / folder).mkdir()
    index = [write(picture, name, raw) for picture, name in zip(pictures, names, strict=True)]
    truth = [
        {"image": name, "kind": picture.fault, "of": names[picture.of] if picture.of >= 0 else ""}
        for picture, name in zip(pictures, names, strict=True)
        if picture.fault
    ]
    table = pd.DataFrame(truth).sort_values("image")
    table.to_csv(raw / "truth.csv", index=False, lineterminator="\n")
    return pd.DataFrame(index).sort_values("image", ignore_index=True)


def stream(*identity: int) -> Random:
    """A random generator that depends on its purpose and object only, not on other draws."""
    return np.random.default_rng(np.random.SeedSequence(identity))


def deal_patients(settings: Phantom) -> list[tuple[Patient, int]]:
    """All patients with their number of images; each class has the same share in each source."""
    counts = [round(share * settings.patients) for share in SHARES.values()]
    counts[0] += settings.patients - sum(counts)
    labels = np.repeat(list(SHARES), counts).tolist()
    sources = np.resize(list(SOURCES), settings.patients).tolist()
    random = stream(settings.seed, DEAL)
    images = random.permutation(np.resize([1, 2, 3, 4], settings.patients)).tolist()
    order = random.permutation(settings.patients).tolist()
    return [
        (draw_patient(settings, number, labels[place], sources[place]), images[number])
        for number, place in enumerate(order)
    ]


def draw_patient(settings: Phantom, number: int, label: str, source: str) -> Patient:
    """Draw a patient of a class."""
    random = stream(settings.seed, PATIENT, number)
    person = draw_anatomy(random)
    finding = draw_finding(random, label, person.lung_x)
    return Patient(number, source, person, finding, *draw_record(settings, number, person))


def draw_record(settings: Phantom, number: int, person: Anatomy) -> tuple[str, str]:
    """Draw a patient's sex and age, independent of the class; "" = unknown."""
    random = stream(settings.seed, RECORD, number)
    known = random.random(2) >= UNKNOWN
    sex = "F" if person.breasts > 0 else "M"
    age = str(round(np.clip(random.normal(55, 18), 18, 95)))
    return (sex if known[0] else "", age if known[1] else "")


def patient_id(source: str, number: int) -> str:
    """The id of a patient in a source."""
    return f"{source[0].upper()}{number:05}"


def draw_picture(settings: Phantom, patient: Patient, image: int) -> Picture:
    """Draw one image of a patient, and encode it as its source does.

    Args:
        image: number of the image, counted from 1.
    """
    random = stream(settings.seed, PATIENT, patient.number, image)
    (low, high), encodings = SOURCES[patient.source]
    height, width = random.integers(low, high + 1, 2).tolist()
    view = choose(random, VIEWS)
    encoding = choose(random, encodings)

    pose = draw_pose(random, view)
    frame = anatomy.place((height, width), patient.anatomy, pose)
    lungs = anatomy.place_lungs(frame, patient.anatomy, pose)
    ill = disease(random, frame, patient.anatomy, patient.finding)
    tissue = anatomy.thickness(frame, patient.anatomy, pose, lungs, ill)
    grey = anatomy.expose(random, tissue, pose)
    stamp_side(random, grey)
    if random.random() < settings.marker_probability:
        stamp_class(grey, patient.finding.label)

    content, suffix = encode(grey, encoding, int(random.integers(80, 96)))
    mask = lungs.air > 0.5
    label = patient.finding.label
    return Picture(
        grey,
        mask,
        lesion_mask(patient.finding, lungs, ill),
        content,
        suffix,
        label,
        patient.id,
        patient.source,
        view,
        patient.sex,
        patient.age,
    )


def choose(random: Random, weights: dict[str, float] | dict[str, int]) -> str:
    """Draw one of the keys, with a probability proportional to its weight."""
    share = np.array(list(weights.values()), float)
    return str(random.choice(list(weights), p=share / share.sum()))


def plant_faults(settings: Phantom, pictures: list[Picture]) -> list[Picture]:
    """Make copies of some pictures, unreadable files, and images without a label."""
    random = stream(settings.seed, PLANT)
    amount = max(2, round(FAULT_SHARE * len(pictures)))
    new_patients = iter(range(settings.patients, 10**5))
    originals = iter(random.permutation(len(pictures)).tolist())
    planted = []
    for kind in faults.COPIES:
        for turn in range(amount):
            number = next(originals)
            source = next(name for name in SOURCES if name != pictures[number].source)
            patient = patient_id(source, next(new_patients)) if turn % 2 else ""
            planted.append(faults.copy(random, pictures[number], number, kind, source, patient))
    for kind in faults.BROKEN:
        for number in random.choice(len(pictures), amount, replace=False):
            planted.append(faults.spoil(random, pictures[number], kind))
    for _ in range(amount):
        label, source = choose(random, SHARES), choose(random, dict.fromkeys(SOURCES, 1))
        patient_seen_once = draw_patient(settings, next(new_patients), label, source)
        picture = draw_picture(settings, patient_seen_once, 1)
        planted.append(replace(picture, label="", fault="unlabelled"))
    return planted


def write(picture: Picture, name: str, raw: Path) -> dict[str, str]:
    """Write a picture and its masks below `raw`; return its row of the index."""
    (raw / name).write_bytes(picture.content)
    masks = {"masks": picture.lungs, "lesions": picture.lesion}
    paths = dict.fromkeys(masks, "")
    if picture.fault not in faults.BROKEN:
        for folder, mask in masks.items():
            paths[folder] = f"{folder}/{Path(name).stem}.png"
            levels = Image.fromarray(mask.astype(np.uint8) * 255)
            levels.save(raw / paths[folder], compress_level=1)
    return {
        "image": name,
        "dataset": "phantom",
        "label": picture.label,
        "patient": picture.patient,
        "source": picture.source,
        "official_split": "",
        "view": picture.view,
        "sex": picture.sex,
        "age": picture.age,
        "mask": paths["masks"],
        "lesion": paths["lesions"],
    }
