from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.datasets.masks import SIDES, array_mask, half_mask, random_mask, square_mask


def picture(mask: torch.Tensor, shape: tuple[int, int]) -> list[str]:
    return ["".join("#" if o else "." for o in row) for row in mask[0].view(shape)]


@pytest.mark.parametrize(("missing", "hidden"), [(0.0, 0), (0.6, 470), (0.9, 706), (1.0, 784)])
def test_random_mask_hides_the_same_number_in_every_image(missing, hidden) -> None:
    mask = random_mask((28, 28), missing, batch=5, generator=torch.Generator().manual_seed(0))
    assert mask.shape == (5, 784)
    assert mask.dtype == torch.bool
    assert (~mask).sum(1).tolist() == [hidden] * 5


def test_random_mask_hides_every_pixel_equally_often_and_others_in_each_image() -> None:
    mask = random_mask((4, 5), 0.6, batch=4000, generator=torch.Generator().manual_seed(1))
    standard_error = (0.6 * 0.4 / 4000) ** 0.5
    assert ((~mask).float().mean(0) - 0.6).abs().max() < 4.5 * standard_error
    assert len(mask.unique(dim=0)) > 3000


def test_random_mask_is_drawn_from_the_generator() -> None:
    masks = [
        random_mask((4, 5), 0.5, batch=3, generator=torch.Generator().manual_seed(seed))
        for seed in (2, 2, 3)
    ]
    assert masks[0].equal(masks[1])
    assert not masks[0].equal(masks[2])


def test_square_lies_in_the_middle_or_where_it_is_put() -> None:
    assert picture(square_mask((4, 6), 2), (4, 6)) == ["######", "##..##", "##..##", "######"]
    corner = square_mask((4, 6), 3, position=(1, 3))
    assert picture(corner, (4, 6)) == ["######", "###...", "###...", "###..."]
    assert picture(square_mask((4, 6), 2, position=(0, 0)), (4, 6))[0] == "..####"


def test_halves_hide_their_side_and_the_smaller_part_of_an_odd_number() -> None:
    assert picture(half_mask((3, 5), "left"), (3, 5)) == ["..###"] * 3
    assert picture(half_mask((3, 5), "right"), (3, 5)) == ["###.."] * 3
    assert picture(half_mask((3, 5), "top"), (3, 5)) == [".....", "#####", "#####"]
    assert picture(half_mask((3, 5), "bottom"), (3, 5)) == ["#####", "#####", "....."]


@pytest.mark.parametrize("side", SIDES)
def test_opposite_halves_cover_an_even_image(side) -> None:
    opposite = SIDES[SIDES.index(side) ^ 1]
    assert half_mask((4, 6), side).equal(~half_mask((4, 6), opposite))


@pytest.mark.parametrize(
    "values",
    [
        np.array([[True, False], [False, True]]),
        np.array([[255, 127], [0, 128]], np.uint8),
        np.array([[1.0, 0.49], [0.0, 0.5]], np.float32),
        np.array([[[255, 255, 255], [255, 0, 0]], [[0, 0, 0], [0, 255, 255]]], np.uint8),
        torch.tensor([[True, False], [False, True]]),
    ],
)
def test_drawn_mask_is_observed_where_it_is_bright(values) -> None:
    assert array_mask((2, 2), values).tolist() == [[True, False, False, True]]


def test_drawn_mask_is_brought_to_the_size_of_the_image() -> None:
    drawn = np.kron([[1, 0, 1], [0, 1, 0]], np.ones((7, 5))).astype(bool)
    assert picture(array_mask((2, 3), drawn), (2, 3)) == ["#.#", ".#."]
    assert picture(array_mask((2, 4), np.array([[True, False]])), (2, 4)) == ["##..", "##.."]


def test_masks_are_repeated_and_do_not_share_memory() -> None:
    masks = [
        square_mask((4, 6), 2, batch=3),
        half_mask((4, 6), "top", batch=3),
        array_mask((4, 6), np.ones((4, 6), bool), batch=3),
    ]
    for mask in masks:
        assert mask.shape == (3, 24)
        mask[0] = False
        assert mask[1].any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: random_mask((2, 2), 1.2, generator=g), "`missing` must .* got 1.2"),
        (lambda g: random_mask((2, 2), float("nan"), generator=g), "`missing` must"),
        (lambda g: random_mask((2, 0), 0.5, generator=g), "`image_shape` must .* got"),
        (lambda g: random_mask((4,), 0.5, generator=g), "`image_shape` must"),
        (lambda g: random_mask((2, 2), 0.5, batch=-1, generator=g), "`batch` must .* got -1"),
        (lambda _: square_mask((4, 6), 5), r"`size` must be in 1\.\.4; got 5"),
        (lambda _: square_mask((4, 6), 0), "`size` must"),
        (lambda _: square_mask((4, 6), 2, position=(3, 0)), "`position` must .* got"),
        (lambda _: square_mask((4, 6), 2, position=(0, -1)), "`position` must"),
        (lambda _: half_mask((4, 6), "middle"), "`missing` must be one of .* got 'middle'"),
        (lambda _: array_mask((2, 2), np.zeros(4, bool)), "`values` must be .rows, columns"),
        (lambda _: array_mask((2, 2), np.zeros((0, 4), bool)), "`values` must be .rows, columns"),
        (lambda _: array_mask((2, 2), np.zeros((2, 2), int)), "`values` must be bool, uint8"),
        (lambda _: array_mask((2, 2), np.full((2, 2), np.nan)), "`values` must be finite"),
    ],
)
def test_bad_argument_is_refused_by_name(call, message) -> None:
    with pytest.raises(ValueError, match=message):
        call(torch.Generator())


def test_a_pixel_of_a_colour_image_is_missing_as_a_whole() -> None:
    shape, generator = (4, 6, 3), torch.Generator().manual_seed(0)
    grey = torch.Generator().manual_seed(0)
    pairs = [
        (square_mask(shape, 2, batch=2), square_mask((4, 6), 2, batch=2)),
        (half_mask(shape, "left"), half_mask((4, 6), "left")),
        (
            random_mask(shape, 0.5, batch=5, generator=generator),
            random_mask((4, 6), 0.5, batch=5, generator=grey),
        ),
        (array_mask(shape, np.eye(4)), array_mask((4, 6), np.eye(4))),
    ]
    for colour, plain in pairs:
        assert colour.view(-1, 4, 6, 3).equal(plain.view(-1, 4, 6, 1).expand(-1, -1, -1, 3))


def test_a_document_has_no_masks() -> None:
    with pytest.raises(ValueError, match=r"`image_shape` must be .* got \(2000,\)"):
        half_mask((2000,), "left")
