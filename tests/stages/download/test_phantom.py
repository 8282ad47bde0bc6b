"""The drawn data set: the same for everyone, and as faulty as its truth.csv says."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import imagehash
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from cxr.pipeline import tables
from cxr.pipeline.params import Phantom
from stages.download.phantom import findings
from stages.download.phantom.anatomy import place
from stages.download.phantom.findings import SHARES, Finding, Spot, disease, draw_finding
from stages.download.phantom.images import SOURCES, draw, draw_patient
from stages.download.phantom.patient import draw_anatomy, draw_pose
from stages.download.phantom.picture import MARKERS

# Bits of 256 in which the hashes of near copies differ at most.
NEAR = 32


@dataclass
class Drawn:
    """A drawn data set: its folder, index and truth, both by image."""

    raw: Path
    index: pd.DataFrame
    truth: pd.DataFrame

    def upright(self, name: str) -> Image.Image:
        image = Image.open(self.raw / name)
        image.load()
        return ImageOps.exif_transpose(image)

    def grey(self, name: str) -> NDArray[np.uint8]:
        image = self.upright(name)
        if image.mode == "I;16":
            return (np.asarray(image) // 257).astype(np.uint8)
        return np.asarray(image.convert("L"))

    def lungs(self, name: str) -> NDArray[np.bool_]:
        return np.asarray(Image.open(self.raw / self.index.loc[name, "mask"])) == 255

    def lesion(self, name: str) -> NDArray[np.bool_]:
        return np.asarray(Image.open(self.raw / self.index.loc[name, "lesion"])) == 255

    def square(self, name: str) -> Image.Image:
        """The centre of the image, 96 x 96."""
        grey = self.grey(name)
        side = min(grey.shape)
        top, left = (grey.shape[0] - side) // 2, (grey.shape[1] - side) // 2
        crop = Image.fromarray(grey[top : top + side, left : left + side])
        return crop.resize((96, 96), Image.Resampling.BOX)

    def planted(self, *kinds: str) -> pd.DataFrame:
        return self.truth[self.truth["kind"].isin(kinds)]

    def sound(self) -> pd.DataFrame:
        """The images as they were before anything was planted."""
        return self.index[~self.index.index.isin(self.truth.index)]


def drawn(raw: Path, patients: int, seed: int = 0, marker: float = 0.0) -> Drawn:
    raw.mkdir()
    index = draw(Phantom(seed=seed, patients=patients, marker_probability=marker), raw)
    tables.Index.validate(index)
    truth = pd.read_csv(raw / "truth.csv", keep_default_na=False)
    return Drawn(raw, index.set_index("image"), truth.set_index("image"))


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    return drawn(tmp_path_factory.mktemp("phantom") / "raw", patients=40)


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def bits(data: Drawn, names: list[str]) -> NDArray[np.bool_]:
    return np.array([imagehash.phash(data.square(name), 16).hash.ravel() for name in names])


def test_the_same_settings_give_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    first = drawn(tmp_path / "first", patients=8)
    again = drawn(tmp_path / "again", patients=8)
    other = drawn(tmp_path / "other", patients=8, seed=1)
    assert digests(first.raw) == digests(again.raw)
    assert first.index.equals(again.index)
    readable = [name for name in other.index.index if other.index.loc[name, "mask"]]
    assert not {digests(other.raw)[name] for name in readable} & set(digests(first.raw).values())


def test_every_file_is_in_the_index_and_every_index_row_is_a_file(phantom: Drawn) -> None:
    written = {name for name in digests(phantom.raw) if name != "truth.csv"}
    masks = {*phantom.index["mask"], *phantom.index["lesion"]} - {""}
    named = {*phantom.index.index, *masks}
    assert written == named


def test_classes_are_unequal_and_stand_in_every_source(phantom: Drawn) -> None:
    sound = phantom.sound()
    shares = sound["label"].value_counts(normalize=True)
    assert list(shares.index) == list(SHARES)
    assert shares.min() >= 0.12
    assert shares.max() >= 1.5 * shares.min()
    counts = pd.crosstab(sound["label"], sound["source"])
    assert counts.shape == (len(SHARES), len(SOURCES))
    assert counts.to_numpy().min() > 0


def test_sex_and_age_are_those_of_a_patient_and_independent_of_the_class() -> None:
    settings = Phantom(seed=0, patients=400, marker_probability=0.0)
    patients = [draw_patient(settings, number, "COVID", "north-hospital") for number in range(400)]
    others = [draw_patient(settings, number, "Normal", "north-hospital") for number in range(400)]
    assert [(one.sex, one.age) for one in patients] == [(one.sex, one.age) for one in others]
    shares = pd.Series([one.sex for one in patients]).value_counts(normalize=True)
    assert shares[["F", "M"]].min() > 0.4
    assert 0.01 < shares[""] < 0.1
    ages = pd.to_numeric(pd.Series([one.age for one in patients]))
    assert ages.min() >= 18
    assert 50 < ages.mean() < 60
    assert 0.01 < ages.isna().mean() < 0.1


def test_images_of_one_patient_agree_on_sex_and_age(phantom: Drawn) -> None:
    patients = phantom.sound().groupby("patient")
    assert (patients[["sex", "age"]].nunique() == 1).all(axis=None)


def test_patients_have_one_class_one_source_and_up_to_four_images(phantom: Drawn) -> None:
    patients = phantom.sound().groupby("patient")
    assert len(patients) == 40
    assert set(patients.size()) == {1, 2, 3, 4}
    assert (patients["label"].nunique() == 1).all()
    assert (patients["source"].nunique() == 1).all()


def test_formats_modes_sizes_and_views_are_mixed(phantom: Drawn) -> None:
    images = [Image.open(phantom.raw / name) for name in phantom.sound().index]
    kinds = {(image.format, image.mode) for image in images}
    assert kinds == {
        ("PNG", "L"),
        ("PNG", "I;16"),
        ("PNG", "RGB"),
        ("PNG", "RGBA"),
        ("PNG", "P"),
        ("JPEG", "L"),
        ("JPEG", "RGB"),
    }
    assert any(image.getexif().get(0x0112) == 6 for image in images)
    assert len({image.size for image in images}) > 50
    assert {"PA", "AP"} <= set(phantom.index["view"]) <= {"PA", "AP", ""}


def test_lungs_are_darker_than_what_lies_between_them_however_stored(phantom: Drawn) -> None:
    """A wrong palette or bit depth would turn that round, or all to black."""
    for name in phantom.index.index[phantom.index["mask"] != ""]:
        grey, lungs = phantom.grey(name), phantom.lungs(name)
        columns = np.flatnonzero(lungs.any(axis=0))
        rows = np.flatnonzero(lungs.any(axis=1))
        between = (slice(rows[0], rows[-1]), slice(columns[0], columns[-1]))
        darker = grey[lungs].mean() + 15 < grey[between][~lungs[between]].mean()
        assert darker, name


def test_masks_cover_two_lungs_of_the_image_as_seen_upright(phantom: Drawn) -> None:
    for name in phantom.index.index[phantom.index["mask"] != ""]:
        lungs = phantom.lungs(name)
        assert lungs.shape == phantom.grey(name).shape, name
        assert 0.12 < lungs.mean() < 0.5, name
        left, right = np.array_split(lungs, 2, axis=1)
        assert left.mean() > 0.04, name
        assert right.mean() > 0.04, name
        # The spine and the heart are not lung.
        middle = lungs.shape[1] // 2
        assert lungs[:, middle - 30 : middle + 30].mean() < lungs.mean() + 0.15, name


def test_lesions_are_the_opacities_all_of_diffuse_lungs_and_nothing_in_the_healthy(
    phantom: Drawn,
) -> None:
    sound = phantom.sound()
    for name, label in sound["label"].items():
        lesion, lungs = phantom.lesion(name), phantom.lungs(name)
        if label == "Normal":
            assert not lesion.any(), name
        elif label == "Viral Pneumonia":
            assert (lesion == lungs).all(), name
        else:
            assert 0.002 < lesion.mean() < 0.6 * lungs.mean(), name
            assert (lesion & lungs).sum() > 0.9 * lesion.sum(), name
    # Opacities are brighter than the rest of the lungs.
    ill = sound.index[sound["label"].isin(["COVID", "Lung_Opacity"])]
    brighter = [
        phantom.grey(name)[phantom.lesion(name)].mean()
        - phantom.grey(name)[phantom.lungs(name) & ~phantom.lesion(name)].mean()
        for name in ill
    ]
    assert min(brighter) > 5


@pytest.mark.parametrize("label", ["COVID", "Lung_Opacity"])
def test_opacities_are_in_one_lung_or_both_whatever_the_disease(label: str) -> None:
    findings = [draw_finding(np.random.default_rng(seed), label, 0.45) for seed in range(500)]
    sides = [{spot.x > 0 for spot in finding.spots} for finding in findings]
    # 0.06 is 2.7 standard deviations of a share of 500.
    assert np.mean([len(each) == 2 for each in sides]) == pytest.approx(0.6, abs=0.06)
    assert np.mean([each == {True} for each in sides]) == pytest.approx(0.2, abs=0.06)


def test_the_edge_of_an_opacity_does_not_tell_the_diseases_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Without clouds and vessels, which draw their inside, opacities differ in their density alone.
    monkeypatch.setattr(findings, "clouds", lambda random, frame, cells: np.zeros_like(frame.x))
    monkeypatch.setattr(findings, "vessels", lambda frame, anatomy: np.zeros_like(frame.x))
    random = np.random.default_rng(0)
    anatomy = draw_anatomy(random)
    frame = place((96, 96), anatomy, draw_pose(random, "PA"))
    spots = [Spot(0.5, 0.0, 0.25, 0.25)]
    covid, opacity = (
        disease(random, frame, anatomy, Finding(label, 1.0, spots))
        for label in ("COVID", "Lung_Opacity")
    )
    assert covid / covid.max() == pytest.approx(opacity / opacity.max(), abs=1e-6)


def test_copies_have_the_lesion_of_their_original(phantom: Drawn) -> None:
    for name, row in phantom.planted("exact", "relabelled", "brightened", "reencoded").iterrows():
        assert (phantom.lesion(name) == phantom.lesion(row["of"])).all()
    for name, row in phantom.planted("resized").iterrows():
        assert phantom.lesion(name).shape == phantom.grey(name).shape
        assert phantom.lesion(name).mean() == pytest.approx(
            phantom.lesion(row["of"]).mean(), abs=0.005
        )


def test_exact_copies_have_the_same_bytes_and_label_but_another_patient(phantom: Drawn) -> None:
    sha = digests(phantom.raw)
    for name, row in phantom.planted("exact").iterrows():
        assert sha[name] == sha[row["of"]]
        assert phantom.index.loc[name, "label"] == phantom.index.loc[row["of"], "label"]
    for name, row in phantom.planted("relabelled").iterrows():
        assert sha[name] == sha[row["of"]]
        assert phantom.index.loc[name, "label"] != phantom.index.loc[row["of"], "label"]
    copies = phantom.truth[phantom.truth["of"] != ""]
    patients = phantom.index["patient"]
    assert all(patients[name] != patients[of] for name, of in copies["of"].items())
    assert {patients[name] == "" for name in copies.index} == {True, False}


def test_near_copies_are_near_and_nothing_else_is(phantom: Drawn) -> None:
    readable = [n for n in phantom.index.index if phantom.index.loc[n, "mask"]]
    hashes = bits(phantom, readable)
    distance = (hashes[:, None] != hashes[None]).sum(axis=2)
    close = {
        frozenset((readable[a], readable[b])) for a, b in np.argwhere(np.triu(distance <= NEAR, 1))
    }
    copies = phantom.truth[phantom.truth["of"] != ""]["of"]
    assert close == {frozenset(pair) for pair in copies.items()}


def test_near_copies_are_what_their_kind_says(phantom: Drawn) -> None:
    sha = digests(phantom.raw)
    for name, row in phantom.planted("reencoded", "resized", "brightened").iterrows():
        copy, original = phantom.grey(name), phantom.grey(row["of"])
        assert sha[name] != sha[row["of"]]
        assert phantom.index.loc[name, "label"] == phantom.index.loc[row["of"], "label"]
        if row["kind"] == "resized":
            assert 0.55 < copy.shape[0] / original.shape[0] < 0.85
        else:
            assert copy.shape == original.shape
        if row["kind"] == "brightened":
            assert abs(copy.mean() - original.mean()) > 2


def test_broken_files_fail_as_their_kind_says(phantom: Drawn) -> None:
    for name, row in phantom.planted("truncated", "empty", "text").iterrows():
        with pytest.raises(OSError):
            phantom.upright(name)
        content = (phantom.raw / name).read_bytes()
        magic = content.startswith((b"\x89PNG", b"\xff\xd8"))
        assert {"truncated": magic, "empty": not content, "text": content.isascii()}[row["kind"]]
        assert phantom.index.loc[name, "label"] in SHARES


def test_unlabelled_images_are_the_only_ones_without_a_label(phantom: Drawn) -> None:
    empty = phantom.index.index[phantom.index["label"] == ""]
    assert list(empty) == list(phantom.planted("unlabelled").index)
    assert all(phantom.grey(name).size for name in empty)


def test_without_a_marker_corners_say_nothing_and_at_one_they_say_all(tmp_path: Path) -> None:
    assert marks_right(drawn(tmp_path / "none", patients=8)) == 0
    assert marks_right(drawn(tmp_path / "half", patients=24, marker=0.5)) == pytest.approx(
        0.5, abs=0.2
    )
    assert marks_right(drawn(tmp_path / "all", patients=8, marker=1.0)) == 1


def marks_right(data: Drawn) -> float:
    """Share of the images with the marker of their class and of no other."""
    return float(
        np.mean([marks(data, name) == [label] for name, label in data.sound()["label"].items()])
    )


def marks(data: Drawn, name: str) -> list[str]:
    """The classes whose marker can be seen in an image."""
    square = np.asarray(data.square(name))
    found = []
    for label, ((y, x), (height, width)) in MARKERS.items():
        top, left = round(y * 96) + 1, round(x * 96) + 1
        patch = square[top : top + int(height * 96) - 1, left : left + int(width * 96) - 1]
        if patch.min() > 235:
            found.append(label)
    return found


@pytest.mark.parametrize("seed", range(3))
def test_the_smallest_phantom_has_every_class_and_every_fault_twice(
    tmp_path: Path, seed: int
) -> None:
    data = drawn(tmp_path / "raw", patients=8, seed=seed)
    assert len(data.sound()) == 20
    assert set(data.sound()["label"]) == set(SHARES)
    faults = data.truth["kind"].value_counts()
    assert (faults == 2).all()
    assert len(faults) == 9
