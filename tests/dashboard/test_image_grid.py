"""Grids of images."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from dashboard.components.image_grid import image_grid, png, to_pixels


@given(
    count=st.integers(1, 12),
    columns=st.none() | st.integers(1, 15),
    gap=st.integers(0, 3),
    scale=st.integers(1, 3),
)
def test_every_image_is_found_again_at_its_place(
    count: int, columns: int | None, gap: int, scale: int
) -> None:
    images = np.arange(count * 6, dtype=np.uint8).reshape(count, 6)
    grid = image_grid(images, (2, 3), columns=columns, gap=gap, scale=scale)
    per_row = min(count, columns or int(np.ceil(np.sqrt(count))))
    seen = 0
    for index in range(count):
        top = (index // per_row) * (2 * scale + gap)
        left = (index % per_row) * (3 * scale + gap)
        cell = grid[top : top + 2 * scale : scale, left : left + 3 * scale : scale]
        assert (cell[..., 0].ravel() == images[index]).all()
        assert (cell[..., 3] == 255).all()
        seen += 6 * scale * scale
    assert int((grid[..., 3] == 255).sum()) == seen  # and the gaps are transparent


def test_tensors_and_arrays_give_the_same_bytes_clipped_to_the_range() -> None:
    values = torch.tensor([[-0.5, 0.0, 0.5, 1.0, 1.5, float("nan")]], requires_grad=True)
    expected = [0, 0, 128, 255, 255, 0]
    assert to_pixels(values, (2, 3)).ravel().tolist() == expected
    assert to_pixels(values.detach().numpy(), (2, 3)).ravel().tolist() == expected


def test_one_row_counts_as_one_image() -> None:
    assert to_pixels(np.zeros(6), (2, 3)).shape == (1, 2, 3)


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        (np.zeros((2, 5)), {}, "rows of 6 values"),
        (np.zeros((0, 6)), {}, "at least one image"),
        (np.zeros((2, 6)), {"scale": 0}, "scale=0"),
        (np.zeros((2, 6)), {"columns": 0}, "columns=0"),
        (np.zeros((2, 6)), {"gap": -1}, "gap=-1"),
    ],
)
def test_wrong_arguments_are_named(
    images: np.ndarray, options: dict[str, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        image_grid(images, (2, 3), **options)


def test_png_gives_the_pixels_back() -> None:
    grid = image_grid(np.linspace(0, 1, 12).reshape(2, 6), (2, 3))
    assert (np.asarray(Image.open(io.BytesIO(png(grid)))) == grid).all()


def test_a_picture_travels_with_the_page_and_is_none_of_the_servers_files() -> None:
    def page() -> None:
        import numpy as np

        from dashboard.components.image_grid import show_picture

        show_picture(np.arange(6, dtype=np.uint8).reshape(2, 3), alt="Six pixels")

    drawn = AppTest.from_function(page).run()
    address: str = drawn.image[0].proto.imgs[0].url
    kind, content = address.split(",")
    assert kind == "data:image/png;base64"
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))
    np.testing.assert_array_equal(pixels, np.arange(6).reshape(2, 3))
