import cv2
import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf

from cxr.models import ood
from cxr.pipeline.cli import UserError

SIDE = 32


def chests(images, seed=0):
    """Two dark ovals, of varying place and brightness, on a bright ground."""
    random = np.random.default_rng(seed)
    made = np.full((images, SIDE, SIDE), 160, np.uint8)
    for image in made:
        x, y, size = random.integers(-2, 3, 3)
        for centre in (9, 23):
            cv2.ellipse(image, (centre + x, 15 + y), (5, 9 + size), 0, 0, 360, 50, -1)
        image[-6:] += random.integers(0, 40, dtype=np.uint8)
        noise = random.normal(0, 6, image.shape)
        image[:] = (image * random.uniform(0.6, 1.2) + noise).clip(0, 255)
    return made


@pytest.fixture(scope="module")
def known():
    pixels = chests(300)
    return ood.learn(pixels, np.arange(200), np.arange(200, 300))


def distances(known, images):
    return known.distances(images, np.arange(len(images)))


def test_the_distance_is_mahalanobis_in_standardised_thumbnails(known):
    def thumbnails(images):
        blocks = images.reshape(len(images), 8, 4, 8, 4).mean(axis=(2, 4))
        small = np.rint(blocks).reshape(len(images), -1)
        return np.array([(one - one.mean()) / one.std() for one in small])

    fitted = LedoitWolf().fit(thumbnails(chests(300)[:200].astype(float)))
    inverse = np.linalg.inv(fitted.covariance_)
    new = chests(5, seed=1)
    expected = [mahalanobis(one, fitted.location_, inverse) for one in thumbnails(new * 1.0)]
    assert distances(known, new) == pytest.approx(expected, rel=1e-3)


def test_images_of_the_same_kind_are_rarely_doubted_and_others_are(known):
    same = chests(1000, seed=2)
    assert (distances(known, same) > known.threshold).mean() < 2 * ood.ALARMS
    few = same[:20]
    noise = np.random.default_rng(0).integers(0, 256, few.shape).astype(np.uint8)
    even = np.full_like(few, 120)
    for other in (255 - few, few[:, ::-1].transpose(0, 2, 1), noise, even):
        assert (distances(known, other) > known.threshold).all()


def test_brightness_and_contrast_are_no_reason_for_doubt(known):
    few = chests(20, seed=3)
    assert distances(known, few // 2 + 20) == pytest.approx(distances(known, few), rel=0.1)


@pytest.mark.parametrize("images", [10, 19, 20, 60, 200])
def test_a_further_image_exceeds_the_threshold_with_the_stated_probability(images):
    random = np.random.default_rng(0)
    found = [random.exponential() > ood.cut(random.exponential(size=images)) for _ in range(4000)]
    assert np.mean(found) <= max(ood.ALARMS, 1 / (images + 1)) + 0.01
    assert np.mean(found) >= 0.6 * min(ood.ALARMS, 1 / (images + 1))


def test_it_comes_back_from_its_folder(known, tmp_path):
    ood.save(known, tmp_path)
    again = ood.load(tmp_path)
    few = chests(5, seed=4)
    assert (distances(again, few) == distances(known, few)).all()
    assert again.threshold == pytest.approx(known.threshold, abs=1e-6)
    first = (tmp_path / ood.FILE).read_bytes()
    ood.save(ood.learn(chests(300), np.arange(200), np.arange(200, 300)), tmp_path)
    assert (tmp_path / ood.FILE).read_bytes() == first


def test_a_folder_without_it_is_refused(tmp_path):
    with pytest.raises(UserError, match="train the network again"):
        ood.load(tmp_path)
