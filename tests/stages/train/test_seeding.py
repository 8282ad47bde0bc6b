import numpy as np

from stages.train.seeding import seed_sequence


def test_each_purpose_and_each_identity_has_its_own_stream():
    identities = [("order", 0), ("order", 0, 0), ("order", 0, 1), ("order", 1), ("dropout", 0, 0)]
    drawn = {np.random.default_rng(seed_sequence(*identity)).random() for identity in identities}
    # Trailing zeros alone are no other identity; nothing has both [seed] and [seed, 0].
    assert len(drawn) == len(identities) - 1


def test_the_same_identity_has_the_same_stream():
    assert seed_sequence("order", 3, 4).generate_state(4).tolist() == (
        seed_sequence("order", 3, 4).generate_state(4).tolist()
    )
