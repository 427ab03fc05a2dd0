from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.datasets.labels import match_labels


def test_bits_get_the_label_of_the_image_they_were_drawn_from(capsys) -> None:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (40, 4, 16), dtype=np.uint8)
    images[:, 0] = np.where(images[:, 0] < 128, 0, 255)  # certain pixels among uncertain ones
    labels = random.integers(0, 10, 40, dtype=np.uint8)
    order = random.permutation(40)
    bits = random.random((40, 64)) < images[order].reshape(40, 64) / 255
    found = match_labels(np.packbits(bits, axis=1), images, labels)
    np.testing.assert_array_equal(found, labels[order])
    assert found.dtype == np.uint8
    assert "matching labels: 100%" in capsys.readouterr().err


def test_recovered_labels_are_those_of_the_static_test_rows(real_root: Path) -> None:
    with (
        np.load(real_root / "mnist.npz") as grey,
        np.load(real_root / "binarized_mnist.npz") as static,
    ):
        found = match_labels(
            static["test_bits"][::50], grey["test_images"], grey["test_labels"], progress=False
        )
        np.testing.assert_array_equal(found, static["test_labels"][::50])
