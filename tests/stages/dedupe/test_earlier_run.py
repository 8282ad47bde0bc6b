import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cxr.pipeline.params import Dedupe, load
from stages.dedupe import earlier_run
from stages.dedupe.candidates import NO_CANDIDATES
from stages.dedupe.description import Description
from stages.dedupe.earlier_run import recall, remember, run_key
from tests.helpers.closure import ROOT, closure

FILES = pd.Series([f"{place:02x}" * 32 for place in range(6)])
CANDIDATES = pd.DataFrame(
    [
        (0, 1, 12, 0.71, 0, 0, 0, 0.93),
        (0, 4, 31, 0.64, 1, 0, 0, -0.05),
        (2, 5, 0, 0.98, 0, 2, 7, np.nan),
        (3, 4, 8, 0.88, 3, 3, 0, 0.7),
    ],
    columns=[*NO_CANDIDATES, "agreement"],
)
RANDOM = np.random.default_rng(0)
DESCRIBED = Description(
    np.ones(6, bool),
    RANDOM.integers(0, 256, (4, 6, 32), np.uint8),
    RANDOM.integers(-127, 128, (4, 6, 576), np.int8),
)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A file with the description of six images and four candidates."""
    path = tmp_path / "new/kept.npz"
    remember(path, "code", FILES, DESCRIBED, CANDIDATES)
    return path


def test_all_is_known_again_but_for_other_code(kept: Path) -> None:
    images, candidates = recall(kept, "code", FILES)
    pd.testing.assert_frame_equal(candidates, CANDIDATES)
    for now, then in zip(images, DESCRIBED, strict=True):
        assert (now == then).all()
    images, candidates = recall(kept, "other code", FILES)
    assert not images.known.any()
    pd.testing.assert_frame_equal(candidates, CANDIDATES[:0])


def test_images_and_pairs_are_known_by_their_files(kept: Path) -> None:
    """The first and the fourth file are gone, and one is new: all others have new places."""
    files = pd.Series([FILES[1], "0123" * 16, FILES[2], FILES[4], FILES[5]])
    images, candidates = recall(kept, "code", files)
    assert images.known.tolist() == [True, False, True, True, True]
    assert (images.hashes[:, images.known] == DESCRIBED.hashes[:, [1, 2, 4, 5]]).all()
    assert (images.small[:, images.known] == DESCRIBED.small[:, [1, 2, 4, 5]]).all()
    expected = CANDIDATES[2:3].assign(first=2, second=4)
    pd.testing.assert_frame_equal(candidates, expected)
    # Without the last file, which was the second of a pair.
    _, candidates = recall(kept, "code", FILES[:5])
    pd.testing.assert_frame_equal(candidates, CANDIDATES[[True, True, False, True]])


def test_damage_is_never_taken_for_what_is_known(kept: Path) -> None:
    good = kept.read_bytes()
    with zipfile.ZipFile(kept) as archive:
        directory = archive.start_dir
    # More of the directory, whose damage can hide whole arrays.
    bits = [*range(0, 8 * directory, 37 * 8 + 1), *range(8 * directory, 8 * len(good), 5)]
    for bit in bits:
        place = bit // 8
        kept.write_bytes(good[:place] + bytes([good[place] ^ 1 << bit % 8]) + good[place + 1 :])
        images, candidates = recall(kept, "code", FILES)
        assert len(candidates) == 0 or candidates.equals(CANDIDATES), place
        assert (images.hashes == DESCRIBED.hashes).all(axis=(0, 2))[images.known].all(), place
        assert (images.small == DESCRIBED.small).all(axis=(0, 2))[images.known].all(), place


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"max_distance": 71}, False),
        ({"min_agreement": 0.7}, False),
        ({"rotations_and_flips": True}, False),
        ({"on_conflict": "keep"}, True),
    ],
)
def test_the_key_covers_the_settings_that_decide(change: dict[str, Any], same: bool) -> None:
    settings = load(ROOT / "params.yaml").dedupe
    changed = Dedupe(**(settings.model_dump() | change))
    assert (run_key(changed) == run_key(settings)) == same


def test_the_key_covers_all_code_that_decides() -> None:
    """Only cxr/pipeline is left out: nothing of it touches a pixel."""
    modules = ("stages.dedupe.verification", "stages.dedupe.candidates", "cxr.images.process")
    decides = set().union(*(closure(module) for module in modules))
    folders = {"/".join(file.split("/")[:2]) for file in decides}
    assert folders == {*earlier_run.CODE, "cxr/pipeline"}
