import numpy as np

from stages.evaluate import projection


def test_groups_far_apart_stay_apart_and_again_is_the_same():
    random = np.random.default_rng(0)
    label = np.arange(60) % 3
    features = (random.normal(0, 1, (60, 20)) + 15 * np.eye(20)[label]).astype(np.float32)
    plane = projection.project_features(features, seed=0)
    assert plane.shape == (60, 2)
    distance = np.linalg.norm(plane[:, None] - plane, axis=2) + 1e9 * np.eye(60)
    assert (label[distance.argmin(1)] == label).all()
    assert (projection.project_features(features, seed=0) == plane).all()


def test_few_or_equal_images_have_a_place_too():
    for features in (np.eye(2, 5), np.ones((1, 5)), np.zeros((9, 5))):
        plane = projection.project_features(features.astype(np.float32), seed=0)
        assert plane.shape == (len(features), 2)
        assert np.isfinite(plane).all()


def test_a_sample_is_spread_and_no_more_than_a_picture_shows(monkeypatch):
    assert projection.sample_evenly(5).tolist() == [0, 1, 2, 3, 4]
    monkeypatch.setattr(projection, "MAX_IMAGES", 3)
    assert projection.sample_evenly(101).tolist() == [0, 50, 100]
