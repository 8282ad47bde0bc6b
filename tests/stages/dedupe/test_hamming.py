import sys

import numpy as np

from stages.dedupe import hamming


def slow_pairs(codes: list[str], distance: int) -> list[tuple[int, int, int]]:
    numbers = [int(code, 16) for code in codes]
    return [
        (i, j, apart)
        for i in range(len(codes))
        for j in range(i + 1, len(codes))
        if (apart := (numbers[i] ^ numbers[j]).bit_count()) <= distance
    ]


def some_codes(count: int) -> list[str]:
    """Random hashes, a few of them with some bits flipped."""
    random = np.random.default_rng(0)
    rows = random.integers(0, 2, (count, 256), np.uint8)
    for row in range(1, count, 3):
        flips = random.choice(256, random.integers(0, 40), replace=False)
        rows[row] = rows[row - 1]
        rows[row, flips] ^= 1
    return [np.packbits(row).tobytes().hex() for row in rows]


NEW = np.arange(70) % 9 == 4
"""Some of 70 images."""


def of_new(pairs: np.ndarray) -> np.ndarray:
    return pairs[NEW[pairs[:, 0]] | NEW[pairs[:, 1]]]


def test_pairs_are_those_of_bit_counting_across_blocks(monkeypatch) -> None:
    monkeypatch.setattr(hamming, "STRIP", 8)
    monkeypatch.setattr(hamming, "BLOCK", 16)
    codes = some_codes(70)
    hashes = hamming.packed(codes)
    for distance in (0, 10, 32, 256):
        found = [tuple(map(int, pair)) for pair in hamming.near_pairs(hashes, hashes, distance)]
        assert found == slow_pairs(codes, distance)


def test_torch_finds_the_same_pairs_as_numpy(monkeypatch) -> None:
    hashes = hamming.packed(some_codes(70))
    expected = hamming.near_pairs(hashes, hashes, 32)
    on_device = hamming.near_on_device
    monkeypatch.setattr(hamming, "use_gpu", lambda count: True)
    monkeypatch.setattr(hamming, "near_on_device", lambda *args: on_device(*args[:4], "cpu"))
    monkeypatch.setattr(hamming, "GPU_BLOCK", 16)
    assert len(expected)
    assert (hamming.near_pairs(hashes, hashes, 32) == expected).all()
    assert (hamming.near_pairs(hashes, hashes, 32, NEW) == of_new(expected)).all()


def test_pairs_without_a_new_image_are_left_out(monkeypatch) -> None:
    monkeypatch.setattr(hamming, "STRIP", 8)
    monkeypatch.setattr(hamming, "BLOCK", 16)
    hashes = hamming.packed(some_codes(70))
    turned = hashes[:, ::-1].copy()
    for second in (hashes, turned):
        every = hamming.near_pairs(hashes, second, 110)
        some = hamming.near_pairs(hashes, second, 110, NEW)
        assert 0 < len(some) < len(every)
        assert (some == of_new(every)).all()


def test_torch_is_not_imported_without_a_gpu(monkeypatch) -> None:
    """It would take most of the memory that 100,000 images need."""
    monkeypatch.setattr(hamming, "GPU_FILES", ())
    monkeypatch.setitem(sys.modules, "torch", None)
    assert not hamming.use_gpu(10**6)


def test_a_picture_and_its_negative_are_far_apart() -> None:
    """All of their 256 bits differ, which is more than a byte holds."""
    hashes = hamming.packed(["0f" * 32, "f0" * 32])
    assert hamming.near_pairs(hashes, hashes, 255).tolist() == []
    assert hamming.near_pairs(hashes, hashes, 256).tolist() == [[0, 1, 256]]


def test_pairs_across_two_lists_leave_out_the_image_itself() -> None:
    codes = some_codes(30)
    pairs = hamming.near_pairs(hamming.packed(codes), hamming.packed(codes[::-1]), 40)
    found = {(i, j) for i, j, _ in pairs.tolist()}
    slow = {
        (i, j)
        for i, a in enumerate(codes)
        for j, b in enumerate(codes[::-1])
        if i < j and (int(a, 16) ^ int(b, 16)).bit_count() <= 40
    }
    assert found == slow


def test_no_images_no_pairs() -> None:
    nothing = hamming.packed([])
    assert hamming.near_pairs(nothing, nothing, 32).shape == (0, 3)
