import cv2
import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf

from cxr.models.ood import DETECTOR_FILE, FALSE_ALARM_RATE, OodDetector, conformal_threshold
from cxr.pipeline.errors import UserError

SIZE = 32


def chests(count, seed=0):
    """Two dark ovals, of varying position and brightness, on a bright ground."""
    random = np.random.default_rng(seed)
    images = np.full((count, SIZE, SIZE), 160, np.uint8)
    for image in images:
        x, y, height = random.integers(-2, 3, 3)
        for centre in (9, 23):
            cv2.ellipse(image, (centre + x, 15 + y), (5, 9 + height), 0, 0, 360, 50, -1)
        image[-6:] += random.integers(0, 40, dtype=np.uint8)
        noise = random.normal(0, 6, image.shape)
        image[:] = (image * random.uniform(0.6, 1.2) + noise).clip(0, 255)
    return images


@pytest.fixture(scope="module")
def detector():
    return OodDetector.fit(chests(300), np.arange(200), np.arange(200, 300))


def test_the_distance_is_mahalanobis_in_standardized_thumbnails(detector):
    def thumbnails(images):
        blocks = images.reshape(len(images), 8, 4, 8, 4).mean(axis=(2, 4))
        small = np.rint(blocks).reshape(len(images), -1)
        return np.array([(row - row.mean()) / row.std() for row in small])

    estimate = LedoitWolf().fit(thumbnails(chests(300)[:200].astype(float)))
    inverse = np.linalg.inv(estimate.covariance_)
    new = chests(5, seed=1)
    expected = [mahalanobis(row, estimate.location_, inverse) for row in thumbnails(new * 1.0)]
    assert detector.distances(new) == pytest.approx(expected, rel=1e-3)


def test_images_of_the_same_kind_are_rarely_flagged_and_others_are(detector):
    same = chests(1000, seed=2)
    assert (detector.distances(same) > detector.threshold).mean() < 2 * FALSE_ALARM_RATE
    few = same[:20]
    noise = np.random.default_rng(0).integers(0, 256, few.shape).astype(np.uint8)
    uniform = np.full_like(few, 120)
    for other in (255 - few, few[:, ::-1].transpose(0, 2, 1), noise, uniform):
        assert (detector.distances(other) > detector.threshold).all()


def test_brightness_and_contrast_hardly_change_the_distance(detector):
    few = chests(20, seed=3)
    assert detector.distances(few // 2 + 20) == pytest.approx(detector.distances(few), rel=0.1)


@pytest.mark.parametrize("images", [10, 19, 20, 60, 200])
def test_a_new_image_exceeds_the_threshold_with_the_stated_probability(images):
    random = np.random.default_rng(0)
    exceeds = [
        random.exponential() > conformal_threshold(random.exponential(size=images))
        for _ in range(4000)
    ]
    assert np.mean(exceeds) <= max(FALSE_ALARM_RATE, 1 / (images + 1)) + 0.01
    assert np.mean(exceeds) >= 0.6 * min(FALSE_ALARM_RATE, 1 / (images + 1))


def test_saving_and_loading_changes_nothing(detector, tmp_path):
    detector.save(tmp_path)
    loaded = OodDetector.load(tmp_path)
    few = chests(5, seed=4)
    assert (loaded.distances(few) == detector.distances(few)).all()
    assert loaded.threshold == pytest.approx(detector.threshold, abs=1e-6)
    first = (tmp_path / DETECTOR_FILE).read_bytes()
    OodDetector.fit(chests(300), np.arange(200), np.arange(200, 300)).save(tmp_path)
    assert (tmp_path / DETECTOR_FILE).read_bytes() == first


def test_a_folder_without_a_detector_is_refused(tmp_path):
    with pytest.raises(UserError, match="train the network again"):
        OodDetector.load(tmp_path)
