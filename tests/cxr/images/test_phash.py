import imagehash
import numpy as np
import pytest
from PIL import Image

from cxr.images.phash import phashes
from tests.helpers.odd_files import GREY


def phash(grey: np.ndarray) -> str:
    return phashes([grey])[0]


def by_imagehash(grey: np.ndarray) -> str:
    return str(imagehash.phash(Image.fromarray(grey), hash_size=16))


@pytest.mark.parametrize("size", [32, 64, 96, 224, 300])
def test_it_is_the_hash_of_imagehash(size: int) -> None:
    random = np.random.default_rng(size)
    for smooth in (1, 5, 20):
        for _ in range(20):
            coarse = Image.fromarray(random.integers(0, 256, (smooth + 2, smooth + 2), np.uint8))
            grey = np.asarray(coarse.resize((size, size)))
            assert phash(grey) == by_imagehash(grey)
    assert phash(GREY) == by_imagehash(GREY)


def test_what_no_frequency_tells_apart_is_no_accident_of_rounding() -> None:
    halves = np.zeros((64, 64), np.uint8)
    halves[:, 32:] = 255
    turned = phash(halves[::-1])
    # Every odd frequency down the picture is 0, and so is the median: those bits are not set.
    assert phash(halves) == turned
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(turned), np.uint8)).reshape(16, 16)
    assert not bits[1:].any()


def test_many_at_once_are_the_same_as_each_alone() -> None:
    pictures = list(np.random.default_rng(0).integers(0, 256, (9, 70, 70), np.uint8))
    assert phashes(pictures) == [phash(grey) for grey in pictures]
    assert phashes([]) == []
