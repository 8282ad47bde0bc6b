from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.dedupe import earlier_run
from stages.dedupe.description import Description
from stages.dedupe.earlier_run import recall_agreement, recall_description, remember
from tests.helpers.closure import closure

FILES = pd.Series([f"{place:02x}" * 32 for place in range(6)])
COMPARED = ["frame_first", "frame_second", "symmetry"]
CANDIDATES = pd.DataFrame(
    [(0, 1, 0, 0, 0), (0, 4, 1, 0, 0), (2, 5, 0, 2, 7), (3, 4, 3, 3, 0)],
    columns=["first", "second", *COMPARED],
)
AGREEMENT = np.array([0.93, -0.05, 0.0, 0.7])
RANDOM = np.random.default_rng(0)
DESCRIBED = Description(
    np.ones(6, bool),
    RANDOM.integers(0, 256, (4, 6, 32), np.uint8),
    RANDOM.integers(-127, 128, (4, 6, 576), np.int8),
)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A file with the description of six images and the agreement of four pairs."""
    path = tmp_path / "new/kept.npz"
    remember(path, "code", FILES, DESCRIBED, CANDIDATES, AGREEMENT)
    return path


def test_pairs_are_known_by_their_files_and_by_what_of_them_was_compared(kept: Path) -> None:
    assert recall_agreement(kept, "code", FILES, CANDIDATES).tolist() == AGREEMENT.tolist()
    assert np.isnan(recall_agreement(kept, "other code", FILES, CANDIDATES)).all()
    # Without the first file, all others move up by one.
    fewer = CANDIDATES[2:].assign(first=[1, 2], second=[4, 3])
    assert recall_agreement(kept, "code", FILES[1:], fewer).tolist() == [0.0, 0.7]
    for column in COMPARED:
        changed = CANDIDATES.assign(**{column: CANDIDATES[column] + 1})
        assert np.isnan(recall_agreement(kept, "code", FILES, changed)).all()


def test_images_are_known_by_their_files(kept: Path) -> None:
    assert not recall_description(kept, "other code", FILES).known.any()
    files = pd.Series([FILES[1], "0123" * 16, FILES[4]])
    found = recall_description(kept, "code", files)
    assert found.known.tolist() == [True, False, True]
    assert (found.hashes[:, [0, 2]] == DESCRIBED.hashes[:, [1, 4]]).all()
    assert (found.small[:, [0, 2]] == DESCRIBED.small[:, [1, 4]]).all()


def test_damage_is_never_taken_for_what_is_known(kept: Path) -> None:
    good = kept.read_bytes()
    for place in range(0, len(good), 37):
        kept.write_bytes(good[:place] + bytes([good[place] ^ 1 << place % 8]) + good[place + 1 :])
        found = recall_agreement(kept, "code", FILES, CANDIDATES)
        assert (np.isnan(found) | (found == AGREEMENT)).all(), place
        images = recall_description(kept, "code", FILES)
        assert (images.hashes == DESCRIBED.hashes).all(axis=(0, 2))[images.known].all(), place
        assert (images.small == DESCRIBED.small).all(axis=(0, 2))[images.known].all(), place


def test_the_key_covers_all_code_that_decides() -> None:
    """Only cxr/pipeline is left out: nothing of it touches a pixel."""
    modules = ("stages.dedupe.verification", "stages.dedupe.description", "cxr.images.process")
    decides = set().union(*(closure(module) for module in modules))
    folders = {"/".join(file.split("/")[:2]) for file in decides}
    assert folders == {*earlier_run.CODE, "cxr/pipeline"}
