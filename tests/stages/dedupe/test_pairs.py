"""Pairs found in files: copies of drawn X-rays, and other exposures of the same patients."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cxr.images.process import process
from cxr.pipeline.errors import UserError
from cxr.pipeline.params import ALIKE, Dedupe, load
from stages.dedupe.candidates import among_best
from stages.dedupe.description import Description, describe
from stages.dedupe.frames import WHOLE, apply_symmetry
from stages.dedupe.hamming import near_pairs
from stages.dedupe.pairs import find_pairs
from stages.dedupe.verification import verify
from stages.download.phantom.images import deal_patients, draw_picture
from tests.helpers.closure import ROOT

PARAMS = load(ROOT / "params.yaml")
Change = Callable[[np.ndarray], np.ndarray]


@pytest.fixture(scope="module")
def chests() -> list[np.ndarray]:
    """Two exposures, in another pose and breath, of each of eight patients: uint8 (H, W)."""
    settings = PARAMS.phantom.model_copy(update={"patients": 8})
    return [
        (draw_picture(settings, patient, image).grey * 255).astype(np.uint8)
        for patient, _ in deal_patients(settings)
        for image in (1, 2)
    ]


def found(
    folder: Path, images: dict[str, np.ndarray], **changes: object
) -> dict[tuple[str, str], str]:
    """The kind of each pair found among images that are written as files."""
    pairs = pairs_of(folder, images, None, **changes)
    return dict(zip(zip(pairs["first"], pairs["second"], strict=True), pairs["kind"], strict=True))


def pairs_of(
    folder: Path, images: dict[str, np.ndarray], earlier: Path | None, **changes: object
) -> pd.DataFrame:
    """The table `Pairs` of images that are written as files."""
    for name, image in images.items():
        Image.fromarray(image).save(folder / name)
    table, thumbnails = prepared(folder, list(images))
    dedupe = Dedupe(**(PARAMS.dedupe.model_dump() | changes))
    params = PARAMS.model_copy(update={"dedupe": dedupe})
    return find_pairs(table, thumbnails, folder, params, earlier)


def prepared(folder: Path, names: list[str]) -> tuple[pd.DataFrame, np.ndarray]:
    """Images and thumbnails as `prepare` leaves them."""
    empty = {"patient": "", "view": "", "mask": "", "lesion": ""}
    outcomes = [process({"image": name, **empty}, folder, PARAMS.prepare, None) for name in names]
    table = pd.DataFrame({"image": names, "row": range(len(names))})
    table["sha256"] = [outcome.facts["sha256"] for outcome in outcomes]
    return (
        table.sort_values("image", ignore_index=True),
        np.stack([outcome.thumbnail for outcome in outcomes if outcome.thumbnail is not None]),
    )


def test_other_exposures_of_a_patient_and_other_patients_are_no_copies(
    tmp_path: Path, chests: list[np.ndarray]
) -> None:
    images = {f"{place:02}.png": chest for place, chest in enumerate(chests)}
    assert "exposure" not in found(tmp_path, images, max_distance=110).values()


def test_lungs_that_were_cut_out_agree_by_what_they_show_alone(
    tmp_path: Path, chests: list[np.ndarray]
) -> None:
    """All have the same outline, and everything outside of it is black."""
    images = {}
    for place, chest in enumerate(chests):
        mask = np.zeros((220, 220), np.uint8)
        for centre in (66, 154):
            cv2.ellipse(mask, (centre, 110), (35, 75), 0, 0, 360, 255, -1)
        images[f"{place:02}.png"] = np.where(mask > 0, cv2.resize(chest, (220, 220)), 0).astype(
            np.uint8
        )
    images["copy.png"] = cv2.resize(images["03.png"], (300, 300))
    pairs = found(tmp_path, images, max_distance=110)
    assert [pair for pair, kind in pairs.items() if kind == "exposure"] == [("03.png", "copy.png")]


def texture(detail: int) -> np.ndarray:
    """A pattern that is always the same, with fine detail of its own: uint8 (192, 192)."""
    coarse = np.random.default_rng(0).integers(58, 198, (20, 20)).astype(np.float32)
    fine = np.random.default_rng(detail).integers(-50, 51, (96, 96)).astype(np.float32)
    both = cv2.resize(coarse, (192, 192), interpolation=cv2.INTER_CUBIC) + cv2.resize(
        fine, (192, 192)
    )
    return both.clip(0, 255).astype(np.uint8)


def test_pictures_whose_thumbnails_agree_are_no_copies_if_their_detail_differs(
    tmp_path: Path,
) -> None:
    images = {"a.png": texture(1), "b.png": texture(2), "c.png": texture(1) // 2 + 40}
    assert found(tmp_path, images) == {("a.png", "c.png"): "exposure"}


def boxes(image: np.ndarray) -> np.ndarray:
    high, wide = image.shape
    marked = image.copy()
    cv2.rectangle(marked, (wide // 5, high // 3), (wide // 2, high // 2), 255, 2)
    cv2.putText(marked, "AP 12:04", (5, 30), 0, 0.7, 255, 2)
    return marked


def square(image: np.ndarray) -> np.ndarray:
    return np.pad(image, [(30, 40), (5, 5)])


@pytest.mark.parametrize(
    "change",
    [
        lambda image: (image * 0.6 + 70).astype(np.uint8),
        lambda image: (255 * (image / 255) ** 1.6).astype(np.uint8),
        lambda image: cv2.resize(image, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA),
        lambda image: image[12:-12, 12:-12],
        square,
        boxes,
    ],
)
def test_a_copy_is_found_whatever_its_name(
    tmp_path: Path, chests: list[np.ndarray], change: Change
) -> None:
    others = {f"other-{place}.png": chest for place, chest in enumerate(chests[2:])}
    copy = np.ascontiguousarray(change(chests[0]))
    for names in (("a.png", "z.png"), ("z.png", "a.png")):
        pictures = dict(zip(names, (chests[0], copy), strict=True))
        pairs = found(tmp_path, {**others, **pictures})
        assert [pair for pair, kind in pairs.items() if kind == "exposure"] == [("a.png", "z.png")]


def test_of_a_file_that_is_there_several_times_one_stands_for_the_others(
    tmp_path: Path, chests: list[np.ndarray]
) -> None:
    near = (chests[0] // 2 + 60).astype(np.uint8)
    images = {"a.png": chests[0], "b.png": chests[0], "c.png": near, "d.png": near}
    assert found(tmp_path, images) == {
        ("a.png", "b.png"): "file",
        ("c.png", "d.png"): "file",
        ("a.png", "c.png"): "exposure",
    }


@pytest.mark.parametrize("k", [1, 4, 6])
def test_rotated_and_flipped_copies_are_found_where_asked(
    tmp_path: Path, chests: list[np.ndarray], k: int
) -> None:
    images = {"a.png": chests[0], "b.png": apply_symmetry(chests[0], k), "c.png": chests[2]}
    assert found(tmp_path, images) == {}
    assert found(tmp_path, images, rotations_and_flips=True) == {("a.png", "b.png"): "exposure"}


def test_the_eight_symmetries_are_different() -> None:
    image = np.arange(9, dtype=np.uint8).reshape(3, 3)
    assert len({apply_symmetry(image, k).tobytes() for k in range(8)}) == 8
    assert (apply_symmetry(image, 0) == image).all()
    assert (apply_symmetry(image, 4) == image[:, ::-1]).all()


def test_a_file_that_was_changed_after_prepare_is_named(
    tmp_path: Path, chests: list[np.ndarray]
) -> None:
    for name, image in (("a.png", chests[0]), ("b.png", chests[0] // 2)):
        Image.fromarray(image).save(tmp_path / name)
    table, thumbnails = prepared(tmp_path, ["a.png", "b.png"])
    (tmp_path / "b.png").unlink()
    with pytest.raises(UserError, match=r"b.png can't be read any more"):
        find_pairs(table, thumbnails, tmp_path, PARAMS)


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of pairs that runs of `find_pairs` verify, filled as they run."""
    numbers = []

    def counted(candidates: pd.DataFrame, *rest: Any) -> np.ndarray:
        numbers.append(len(candidates))
        return verify(candidates, *rest)

    monkeypatch.setattr("stages.dedupe.pairs.verify", counted)
    return numbers


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of images that runs of `find_pairs` describe, filled as they run."""
    numbers = []

    def counted(images: Description, *rest: Any) -> None:
        numbers.append(int((~images.known).sum()))
        describe(images, *rest)

    monkeypatch.setattr("stages.dedupe.candidates.describe", counted)
    return numbers


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of images that runs of `find_pairs` compare with all, filled as they run."""
    numbers = []

    def counted(first: np.ndarray, second: np.ndarray, distance: int, new: np.ndarray) -> Any:
        numbers.append(int(new.sum()))
        return near_pairs(first, second, distance, new)

    monkeypatch.setattr("stages.dedupe.candidates.near_pairs", counted)
    return numbers


FOUR = {f"{place}.png": texture(place // 2) // (1 + place % 2) for place in range(4)}


def test_a_second_run_looks_at_new_files_alone_and_finds_the_same(
    tmp_path: Path, verified: list[int], described: list[int], compared: list[int]
) -> None:
    kept = tmp_path / "kept.npz"
    pairs_of(tmp_path, FOUR, kept)
    pairs_of(tmp_path, FOUR, kept)
    assert verified == [6, 0]
    assert described == [4, 0]
    assert set(compared[:6]) == {4} and set(compared[6:]) == {0}
    # One file less, two more, all under other names.
    after = {"z.png": FOUR["0.png"], "y.png": FOUR["1.png"], "x.png": FOUR["2.png"]}
    after |= {"w.png": texture(0) // 4 * 3, "v.png": texture(4)}
    again = pairs_of(tmp_path, after, kept)
    assert verified == [6, 0, 7]
    assert described == [4, 0, 2]
    assert set(compared[12:]) == {2}
    pd.testing.assert_frame_equal(again, pairs_of(tmp_path, after, None))
    assert (again["kind"] == "exposure").sum() == 3


def test_of_many_alike_only_the_best_count_whatever_an_earlier_run_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files are added, which take the place of candidates, and removed, so that others move up."""
    monkeypatch.setattr("stages.dedupe.candidates.MOST", 1)
    kept = tmp_path / "kept.npz"
    noise = np.random.default_rng(0).normal(0, 6, (10, 192, 192))
    copies = {
        f"{place}.png": (texture(0) // 2 + 50 + noise[place]).astype(np.uint8)
        for place in range(10)
    }
    for names in (list(copies)[:6], list(copies), list(copies)[3:]):
        images = {name: copies[name] for name in names}
        pairs = pairs_of(tmp_path, images, kept)
        pd.testing.assert_frame_equal(pairs, pairs_of(tmp_path, images, None))
        assert 0 < len(pairs) < len(images) * (len(images) - 1) / 2


def test_a_pair_is_verified_if_it_is_among_the_best_of_its_first_or_second_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stages.dedupe.candidates.MOST", 1)
    # 0-1 and 1-2 are the best of both, 0-3 of the second alone, 0-2 of neither.
    candidates = pd.DataFrame(
        [(0, 1, 0.9), (0, 2, 0.7), (0, 3, 0.7), (1, 2, 0.8)],
        columns=["first", "second", "correlation"],
    )
    assert among_best(candidates).tolist() == [True, False, True, True]


def test_an_agreement_at_a_limit_belongs_to_the_better_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    least = PARAMS.dedupe.min_agreement
    for agreement, kinds in (
        (least, {"exposure"}), (least - 0.01, {"alike"}), (ALIKE, {"alike"}), (ALIKE - 0.01, set())
    ):  # fmt: skip
        monkeypatch.setattr(
            "stages.dedupe.pairs.verify",
            lambda pairs, *rest, agreement=agreement: np.full(len(pairs), agreement),
        )
        assert set(found(tmp_path, FOUR).values()) == kinds


def test_another_setting_or_code_verifies_all_pairs_again(
    tmp_path: Path, verified: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept.npz"
    pairs_of(tmp_path, FOUR, kept)
    changed = pairs_of(tmp_path, FOUR, kept, min_agreement=0.99)
    pd.testing.assert_frame_equal(changed, pairs_of(tmp_path, FOUR, None, min_agreement=0.99))
    monkeypatch.setattr("stages.dedupe.earlier_run.CODE", ["stages/split"])
    pairs_of(tmp_path, FOUR, kept, min_agreement=0.99)
    assert verified == [6] * 4


def test_what_an_earlier_run_found_out_need_not_be_writable(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kept.npz/mine").mkdir(parents=True)
    found = pairs_of(tmp_path, FOUR, tmp_path / "kept.npz")
    pd.testing.assert_frame_equal(found, pairs_of(tmp_path, FOUR, None))
    assert "kept.npz cannot be written (Is a directory)" in capsys.readouterr().out
    assert [path.name for path in tmp_path.glob("*kept*")] == ["kept.npz"]


def test_a_damaged_file_of_an_earlier_run_is_written_again(
    tmp_path: Path, verified: list[int]
) -> None:
    kept = tmp_path / "kept.npz"
    expected = pairs_of(tmp_path, FOUR, kept)
    good = kept.read_bytes()
    for content in (good[:-40], b"", b"no archive"):
        kept.write_bytes(content)
        pd.testing.assert_frame_equal(pairs_of(tmp_path, FOUR, kept), expected)
        assert kept.read_bytes() == good
    assert verified == [6] * 4


@pytest.mark.parametrize("cut", [(0, 0, 0.12, 0), (0.1, 0.1, 0.1, 0.1)])
def test_thumbnails_tell_where_a_copy_lies_in_the_whole_in_either_order(
    tmp_path: Path, chests: list[np.ndarray], cut: tuple[float, ...]
) -> None:
    """The second copy can be laid over the whole, but the whole not over it."""
    whole = chests[6]
    high, wide = whole.shape
    top, bottom, left, right = (round(share * high) for share in cut)
    pictures = (whole, whole[top : high - bottom, left : wide - right])
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path, picture in zip(paths, pictures, strict=True):
        Image.fromarray(picture).save(path)
    _, thumbnails = prepared(tmp_path, ["a.png", "b.png"])
    both = pd.DataFrame({"first": [0, 1], "second": [1, 0]}).assign(
        distance=0, frame_first=WHOLE, frame_second=WHOLE, symmetry=0
    )
    least = PARAMS.dedupe.min_agreement
    agreement = verify(both, thumbnails, np.arange(2), paths, PARAMS.prepare, least)
    assert agreement.min() >= least
