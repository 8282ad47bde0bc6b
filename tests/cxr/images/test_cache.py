import sqlite3
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cxr.images import process
from cxr.images.cache import KEEP, PreparedImage, Store, store_path
from stages.prepare import outcomes as module
from tests.helpers.prepare_settings import SETTINGS, index

THREADS = SETTINGS.model_copy(update={"backend": "threading"})
FACTS = {"width": 9, "height": 9, "mode": "L", "format": "PNG", "patient": "", "view": ""}


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    (tmp_path / "raw").mkdir()
    for number in range(70):
        grey = random.integers(0, 256, (70, 90), np.uint8)
        Image.fromarray(grey).save(tmp_path / f"raw/{number:02}.png")
    return tmp_path / "raw"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What is decoded."""
    files: list[bytes] = []

    def decode(data: bytes, settings: object, side: int) -> object:
        files.append(data)
        return original(data, settings, side)

    original = process.decode
    monkeypatch.setattr(process, "decode", decode)
    return files


def table(raw: Path) -> pd.DataFrame:
    return index(sorted(path.name for path in raw.iterdir()))


def run(raw: Path) -> list[process.Outcome]:
    return list(module.outcomes(table(raw), raw, THREADS, raw.parent / "store/a.sqlite"))


def test_a_second_run_decodes_what_is_new_and_finds_the_same(
    raw: Path, decoded: list[bytes]
) -> None:
    first = run(raw)
    assert len(decoded) == 70
    decoded.clear()
    Image.effect_noise((80, 80), 50).save(raw / "new.png")
    (raw / "00.png").rename(raw / "renamed.png")
    second = run(raw)
    assert len(decoded) == 1
    assert [outcome.facts for outcome in second[:69]] == [outcome.facts for outcome in first[1:]]
    assert second[-1].facts == first[0].facts
    for one, other in zip(first[1:], second[:69], strict=True):
        assert (one.pixels == other.pixels).all()


def test_an_interrupted_run_goes_on_where_it_was(raw: Path, decoded: list[bytes]) -> None:
    begun = module.outcomes(table(raw), raw, THREADS, raw.parent / "store/a.sqlite")
    for _ in range(33):
        next(begun)
    begun.close()
    decoded.clear()
    run(raw)
    assert len(decoded) <= 70 - 33


def test_a_mask_is_stored_too(raw: Path, decoded: list[bytes]) -> None:
    images = table(raw).assign(mask="00.png")
    for _ in range(2):
        list(module.outcomes(images, raw, THREADS, raw.parent / "store/a.sqlite"))
    assert len(decoded) <= 140
    decoded.clear()
    list(module.outcomes(images, raw, THREADS, raw.parent / "store/a.sqlite"))
    assert not decoded


def test_a_damaged_entry_is_decoded_again(raw: Path, decoded: list[bytes]) -> None:
    first = run(raw)
    decoded.clear()
    with sqlite3.connect(raw.parent / "store/a.sqlite") as connection:
        connection.execute("UPDATE images SET pixels = zeroblob(4096) WHERE rowid = 5")
    second = run(raw)
    assert len(decoded) == 1
    assert all((a.pixels == b.pixels).all() for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("content", [b"no database" * 500, b""])
def test_a_damaged_store_is_begun_again(raw: Path, decoded: list[bytes], content: bytes) -> None:
    run(raw)
    (raw.parent / "store/a.sqlite").write_bytes(content)
    assert len(run(raw)) == 70
    decoded.clear()
    run(raw)
    assert not decoded


def test_pages_overwritten_cost_time_only(raw: Path, decoded: list[bytes]) -> None:
    first = run(raw)
    store = raw.parent / "store/a.sqlite"
    data = bytearray(store.read_bytes())
    data[4096 * 3 : 4096 * 40] = b"\xaa" * 4096 * 37
    store.write_bytes(data)
    for _ in range(2):
        second = run(raw)
        assert all((a.pixels == b.pixels).all() for a, b in zip(first, second, strict=True))


def test_it_holds_what_the_last_run_used_and_few_settings(tmp_path: Path) -> None:
    image = PreparedImage(*np.zeros((2, 64, 64), np.uint8), FACTS)
    for number in range(KEEP + 2):
        with Store(tmp_path / f"{number}.sqlite", 64) as store:
            store.add({"aa": image, "bb": image})
            store.prune(["bb"])
            assert store.find("aa") is None
            assert store.find("bb") is not None
        time.sleep(0.02)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2.sqlite", "3.sqlite", "4.sqlite"]


def test_other_settings_are_another_store(tmp_path: Path) -> None:
    here = store_path(tmp_path, SETTINGS)
    assert (
        store_path(tmp_path, SETTINGS.model_copy(update={"views": [], "backend": "dask"})) == here
    )
    for change in (
        {"image_size": 65},
        {"resize_mode": "pad"},
        {"min_side": 1},
        {"max_megapixels": 1.0},
    ):
        assert store_path(tmp_path, SETTINGS.model_copy(update=change)) != here


def test_a_queued_experiment_shares_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queued = tmp_path / ".dvc/tmp/exps/tmpabc"
    queued.mkdir(parents=True)
    monkeypatch.chdir(queued)
    assert store_path(Path(".dvc/tmp/prepare"), SETTINGS).parent == tmp_path / ".dvc/tmp/prepare"
