"""GIFs, read back by Pillow: the same frames, as long, as large, without end."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageSequence

from dashboard.films import gif

GREY = np.random.default_rng(0).integers(0, 256, (5, 9, 7)).astype(np.uint8)


def read_back(data: bytes) -> list[np.ndarray]:
    with Image.open(io.BytesIO(data)) as film:
        assert film.format == "GIF"
        return [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(film)]


@pytest.mark.parametrize("scale", [1, 3])
def test_grey_frames_come_back_to_the_last_pixel(scale: int) -> None:
    frames = read_back(gif(GREY, scale=scale))
    assert len(frames) == len(GREY)
    for found, frame in zip(frames, GREY, strict=True):
        large = frame.repeat(scale, axis=0).repeat(scale, axis=1)
        np.testing.assert_array_equal(found, np.stack([large] * 3, axis=-1))


def test_frames_of_few_colours_come_back_to_the_last_pixel() -> None:
    palette = np.array([[0, 114, 178], [230, 159, 0], [255, 255, 255], [16, 22, 29]], np.uint8)
    frames = palette[np.random.default_rng(1).integers(0, 4, (4, 6, 8))]
    for found, frame in zip(read_back(gif(frames)), frames, strict=True):
        np.testing.assert_array_equal(found, frame)


def test_frames_that_do_not_change_are_kept_as_time() -> None:
    frames = np.stack([GREY[0], GREY[0], GREY[0], GREY[1]])
    with Image.open(io.BytesIO(gif(frames, milliseconds=100))) as film:
        shown = [frame.info["duration"] for frame in ImageSequence.Iterator(film)]
    assert sum(shown) == 400


def test_a_film_runs_at_the_speed_asked_for_and_without_end() -> None:
    with Image.open(io.BytesIO(gif(GREY, milliseconds=80))) as film:
        assert film.info["loop"] == 0
        assert film.info["duration"] == 80
        assert film.n_frames == 5


def test_one_frame_is_a_film_too() -> None:
    (frame,) = read_back(gif(GREY[:1]))
    np.testing.assert_array_equal(frame[..., 0], GREY[0])


@pytest.mark.parametrize("shape", [(0, 4, 4), (4, 4), (2, 3, 4, 5, 3)])
def test_what_is_no_film_is_refused_with_its_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"`frames` must be \(n, height, width\[, 3\]\)"):
        gif(np.zeros(shape, dtype=np.uint8))
