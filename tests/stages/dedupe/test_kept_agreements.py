from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.dedupe import kept_agreements
from stages.dedupe.kept_agreements import recall, remember
from tests.helpers.closure import closure

FILES = pd.Series([f"{place:02x}" * 32 for place in range(6)])
COMPARED = ["frame_first", "frame_second", "symmetry"]
CANDIDATES = pd.DataFrame(
    [(0, 1, 0, 0, 0), (0, 4, 1, 0, 0), (2, 5, 0, 2, 7), (3, 4, 3, 3, 0)],
    columns=["first", "second", *COMPARED],
)
AGREEMENT = np.array([0.93, -0.05, 0.0, 0.7])


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A file with the agreements of four pairs, under the key "code"."""
    remember(tmp_path / "new/kept.npz", "code", FILES, CANDIDATES, AGREEMENT)
    return tmp_path / "new/kept.npz"


def test_pairs_are_known_by_their_files_and_by_what_of_them_was_compared(kept: Path) -> None:
    assert recall(kept, "code", FILES, CANDIDATES).tolist() == AGREEMENT.tolist()
    assert np.isnan(recall(kept, "other code", FILES, CANDIDATES)).all()
    # Without the first file, all others move up by one.
    fewer = CANDIDATES[2:].assign(first=[1, 2], second=[4, 3])
    assert recall(kept, "code", FILES[1:], fewer).tolist() == [0.0, 0.7]
    for column in COMPARED:
        changed = CANDIDATES.assign(**{column: CANDIDATES[column] + 1})
        assert np.isnan(recall(kept, "code", FILES, changed)).all()


def test_damage_is_never_taken_for_an_agreement(kept: Path) -> None:
    good = kept.read_bytes()
    for place in range(0, len(good), 3):
        kept.write_bytes(good[:place] + bytes([good[place] ^ 1 << place % 8]) + good[place + 1 :])
        found = recall(kept, "code", FILES, CANDIDATES)
        assert (np.isnan(found) | (found == AGREEMENT)).all(), place


def test_the_key_covers_all_code_that_decides() -> None:
    """Only cxr/pipeline is left out: nothing of it touches a pixel."""
    decides = closure("stages.dedupe.verification") | closure("cxr.images.process")
    folders = {"/".join(file.split("/")[:2]) for file in decides}
    assert folders == {*kept_agreements.CODE, "cxr/pipeline"}
