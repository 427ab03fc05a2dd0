from __future__ import annotations

import pytest
import torch

from engine.datasets import SPLITS, Dataset, draw_bits


def make(values: torch.Tensor, **changes) -> Dataset:
    arguments = {
        "name": "set",
        "pixels": {"train": values, "valid": values[:2], "test": values[:1]},
        "image_shape": (2, 3),
        "likelihood": "bernoulli",
        "protocol": "none",
    }
    return Dataset(**{**arguments, **changes})


@pytest.fixture
def grey() -> torch.Tensor:
    return torch.tensor([[0, 51, 102, 153, 204, 255], [255, 0, 255, 0, 255, 0]], dtype=torch.uint8)


def test_grey_values_are_scaled_to_the_unit_interval(grey) -> None:
    data = make(grey)
    expected = torch.tensor([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    torch.testing.assert_close(data.train[0], expected)
    torch.testing.assert_close(data.batch("train", torch.tensor([1, 0]))[1], expected)
    assert data.train.dtype == torch.float32
    assert data.train[0, -1] == 1  # exactly, or a Bernoulli's support check would refuse it


def test_bits_are_kept_as_they_are(grey) -> None:
    data = make((grey > 128).to(torch.uint8), levels=1)
    assert data.train.tolist() == [[0, 0, 0, 1, 1, 1], [1, 0, 1, 0, 1, 0]]
    assert data.batch("test", torch.tensor([0, 0])).tolist() == [[0, 0, 0, 1, 1, 1]] * 2


def test_splits_are_made_once(grey) -> None:
    data = make(grey)
    for split in SPLITS:
        assert getattr(data, split) is getattr(data, split)


def test_batches_never_share_memory_with_the_stored_pixels(grey) -> None:
    data = make(grey)
    data.batch("train", torch.arange(2)).zero_()
    assert data.pixels["train"].equal(torch.tensor(grey.tolist(), dtype=torch.uint8))


def test_train_mean_is_the_mean_over_items(grey) -> None:
    torch.testing.assert_close(make(grey).train_mean, make(grey).train.mean(0))
    bits = (grey > 128).to(torch.uint8)
    torch.testing.assert_close(make(bits, levels=1).train_mean, bits.float().mean(0))


def test_train_mean_adds_up_over_more_items_than_one_piece() -> None:
    pixels = torch.full((25_000, 6), 255, dtype=torch.uint8)
    pixels[::2] = 0
    assert make(pixels).train_mean.tolist() == [0.5] * 6


def test_drawn_bits_have_the_mean_of_the_grey_values_within_five_standard_errors() -> None:
    grey = torch.arange(256, dtype=torch.uint8)
    draws, p = 20_000, torch.arange(256) / 255
    bits = draw_bits(grey.expand(draws, 256), generator=torch.Generator().manual_seed(0))
    standard_error = (p * (1 - p) / draws).sqrt()
    # Both ends are exact: no draw may differ there.
    assert ((bits.float().mean(0) - p).abs() <= 5 * standard_error).all()


def test_drawn_bits_are_independent_of_each_other() -> None:
    grey = torch.full((20_000, 8), 128, dtype=torch.uint8)
    bits = draw_bits(grey, generator=torch.Generator().manual_seed(1)).float()
    correlation = torch.corrcoef(bits.T) - torch.eye(8)
    assert correlation.abs().max() < 5 / 20_000**0.5


def test_dynamic_set_draws_its_training_bits_afresh_and_keeps_the_others() -> None:
    grey = torch.full((50, 6), 128, dtype=torch.uint8)
    data, indices = make(grey, dynamic=True), torch.arange(50)
    generator = torch.Generator().manual_seed(0)
    first = data.batch("train", indices, generator)
    second = data.batch("train", indices, generator)
    assert set(first.unique().tolist()) == {0.0, 1.0}
    assert not first.equal(second)
    assert first.equal(data.batch("train", indices, torch.Generator().manual_seed(0)))
    assert data.batch("valid", indices[:2], generator).equal(data.valid)


def test_dynamic_training_split_is_one_fixed_draw_of_bits() -> None:
    grey = torch.full((200, 6), 64, dtype=torch.uint8)
    once, again = make(grey, dynamic=True), make(grey, dynamic=True)
    assert once.train.equal(again.train)
    assert set(once.train.unique().tolist()) == {0.0, 1.0}
    standard_error = (0.25 * 0.75 / once.train.numel()) ** 0.5
    assert abs(once.train.mean() - 64 / 255) < 5 * standard_error
    torch.testing.assert_close(once.train_mean, torch.full((6,), 64 / 255))


def test_dynamic_batch_asks_for_a_generator() -> None:
    data = make(torch.zeros(3, 6, dtype=torch.uint8), dynamic=True)
    with pytest.raises(ValueError, match="`generator` must be given"):
        data.batch("train", torch.arange(2))


def test_unknown_split_is_refused(grey) -> None:
    with pytest.raises(ValueError, match=r"`split` must be one of .* got 'dev'"):
        make(grey).batch("dev", torch.arange(1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"likelihood": "poisson"}, "`likelihood` must be one of .* got 'poisson'"),
        ({"image_shape": (2, 2)}, r"`pixels` must be uint8 \(n, 4\)"),
        ({"likelihood": "multinomial"}, r"`pixels` must be int16 \(n, 6\)"),
        ({"vocabulary": ("a", "b")}, r"`vocabulary` must have a word for each of the 6 .* got 2"),
        ({"pixels": {"train": torch.zeros(1, 6)}}, "`pixels` must have the keys"),
        ({"pixels": dict.fromkeys(SPLITS, torch.zeros(1, 6))}, "got torch.float32"),
    ],
)
def test_inconsistent_data_set_is_refused(changes, message, grey) -> None:
    with pytest.raises(ValueError, match=message):
        make(grey, **changes)


def test_moved_data_set_keeps_everything_but_the_place(grey) -> None:
    labels = {"train": torch.arange(2), "valid": torch.arange(2), "test": torch.arange(1)}
    data = make(grey, labels=labels, class_names=("0", "1"))
    moved = data.to("meta")
    assert {pixels.device.type for pixels in moved.pixels.values()} == {"meta"}
    assert moved.labels is not None
    assert {values.device.type for values in moved.labels.values()} == {"meta"}
    assert (moved.name, moved.levels, moved.class_names) == ("set", 255, ("0", "1"))
    assert make(grey).to("cpu").labels is None


def test_fewer_training_items_are_always_the_same_ones_and_leave_the_other_splits() -> None:
    values = torch.arange(60, dtype=torch.uint8).view(10, 6)
    labels = {"train": torch.arange(10), "valid": torch.arange(2), "test": torch.arange(1)}
    data = make(values, labels=labels)
    fewer = data.with_fewer(4)
    assert fewer.pixels["train"].shape == (4, 6)
    assert fewer.pixels["train"].equal(data.with_fewer(4).pixels["train"])
    assert fewer.pixels["train"].equal(values[fewer.labels["train"]])
    assert fewer.pixels["valid"] is data.pixels["valid"]
    assert fewer.protocol == "none, 4 training items"


@pytest.mark.parametrize("items", [0, 11])
def test_more_training_items_than_there_are_cannot_be_kept(items) -> None:
    values = torch.zeros(10, 6, dtype=torch.uint8)
    with pytest.raises(ValueError, match=f"between 1 and the 10 training items; got {items}"):
        make(values).with_fewer(items)
