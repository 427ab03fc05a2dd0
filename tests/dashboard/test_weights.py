"""What the browser's forward passes are sent: every network of every kind of model, none else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from dashboard.blobs import pack
from dashboard.weights import model_arrays
from engine.models import build_model
from engine.random import make_generator

MODELS = {
    "vae": ("vae", {"latent_dim": 3, "hidden": [5, 4]}),
    "vae, SiLU": ("vae", {"latent_dim": 3, "hidden": [5], "activation": "silu"}),
    "vae, Gaussian pixels": ("vae", {"latent_dim": 2, "hidden": [5], "likelihood": "gaussian"}),
    "dlgm": ("dlgm", {"layers": [3, 2], "hidden": [5], "covariance": "rank-one"}),
    "dlgm, diagonal": ("dlgm", {"layers": [4], "hidden": [5, 6], "covariance": "diagonal"}),
    "sbn": ("sbn", {"layers": [4, 3, 2]}),
    "sbn, linked q": ("sbn", {"layers": [4, 3], "recognition": "autoregressive"}),
    "fdarn": ("fdarn", {"layers": [4, 3]}),
    "darn": ("darn", {"layers": [4, 1], "recognition": "autoregressive"}),
}
KINDS = pytest.mark.parametrize("name", list(MODELS))


def built(name: str) -> nn.Module:
    kind, config = MODELS[name]
    model = build_model(kind, data_dim=7, **config)
    model.reset_parameters(make_generator(0))
    return model.eval()


def networks(spec: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """All networks of a description."""
    found = []
    for value in spec.values():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            found.append(value)
        elif isinstance(value, list) and value and isinstance(value[0], list):
            found += value
    return found


def forward(network: list[dict[str, Any]], arrays: dict[str, np.ndarray], x: torch.Tensor):
    """A network as its description says, from the 16-bit weights: what model.js does."""
    ops = {"relu": torch.relu, "tanh": torch.tanh, "silu": nn.functional.silu}
    for layer in network:
        if layer["op"] == "linear":
            weight = torch.from_numpy(arrays[layer["weight"]].astype(np.float32))
            assert weight.shape == (layer["outputs"], layer["inputs"])
            x = x @ weight.T
            if layer["bias"] is not None:
                x = x + torch.from_numpy(arrays[layer["bias"]].astype(np.float32))
        else:
            x = ops[layer["op"]](x)
    return x


@KINDS
def test_all_weights_are_named_by_the_description_and_are_16_bit_floats(name: str) -> None:
    model = built(name)
    spec, arrays = model_arrays(model)
    named = {
        layer[key]
        for network in networks(spec)
        for layer in network
        if layer["op"] == "linear"
        for key in ("weight", "bias")
        if layer[key] is not None
    }
    exact = {"data_mean", "prior_logits"}
    # What no network names is a parameter or buffer that stands alone.
    links = {key for key in arrays if "_links." in key}
    alone = set(arrays) - named - exact - links
    assert named <= set(arrays)
    assert alone <= {"weights.data_mean", "weights.log_scale", "weights.log_pixel_scale"}, alone
    assert {array.dtype.name for key, array in arrays.items() if key not in exact} == {"float16"}
    assert all(arrays[key].dtype == np.float32 for key in exact & set(arrays))
    state = model.state_dict()
    for key in named:
        whole = state[key.removeprefix("weights.")].numpy()
        # Of Gaussian pixels the means alone.
        np.testing.assert_allclose(arrays[key], whole[: len(arrays[key])], rtol=1e-3, atol=1e-7)
        shortened = name == "vae, Gaussian pixels" and key.startswith("weights.decoder.2")
        assert len(arrays[key]) == (7 if shortened else len(whole))


@KINDS
def test_the_description_tells_what_the_model_is(name: str) -> None:
    model = built(name)
    spec, _ = model_arrays(model)
    assert spec["layer_sizes"] == list(model.layer_sizes)
    assert spec["data_dim"] == 7
    assert spec["latent_kind"] == model.latent_kind
    assert spec["likelihood_kind"] == model.likelihood_kind


@KINDS
def test_the_message_can_be_packed(name: str) -> None:
    spec, arrays = model_arrays(built(name))
    assert len(pack({"model": spec}, arrays)) > sum(array.nbytes for array in arrays.values())


@pytest.mark.parametrize("name", ["vae", "vae, SiLU"])
def test_the_description_computes_what_the_network_does(name: str) -> None:
    model = built(name)
    spec, arrays = model_arrays(model)
    z = torch.linspace(-2, 2, 12).reshape(4, 3)
    with torch.no_grad():
        np.testing.assert_allclose(forward(spec["decoder"], arrays, z), model.decoder(z), atol=5e-3)
    activation = "silu" if "SiLU" in name else "tanh"
    assert activation in {layer["op"] for layer in spec["decoder"]}


def test_the_prior_of_a_belief_network_stays_as_exact_as_it_is() -> None:
    model = built("sbn")
    model.prior_logits.data.normal_(generator=make_generator(1))
    _, arrays = model_arrays(model)
    np.testing.assert_array_equal(arrays["prior_logits"], model.prior_logits.detach().numpy())
    assert "weights.prior_logits" not in arrays


def test_links_are_named_layer_by_layer_and_come_without_what_no_bit_uses() -> None:
    model = built("darn")
    weight = model.recognition_links[0].weight
    weight.data = torch.arange(16.0).reshape(4, 4)
    spec, arrays = model_arrays(model)
    names = [f"weights.recognition_links.{layer}.weight" for layer in (0, 1)]
    assert spec["recognition_links"] == names
    assert spec["prior_links"] == [f"weights.prior_links.{layer}.weight" for layer in (0, 1)]
    assert spec["pixel_links"] == "weights.pixel_links.weight"
    assert arrays[names[0]].tolist() == [4, 8, 9, 12, 13, 14]
    assert arrays[names[1]].size == 0  # one unit
    assert arrays[spec["pixel_links"]].size == 7 * 6 // 2
    assert not {"prior_links", "pixel_links"} & set(model_arrays(built("sbn, linked q"))[0])


def test_pixels_that_may_not_be_linked_come_with_zeros_whatever_the_weights_hold() -> None:
    model = build_model("darn", data_dim=6, layers=[2], link_reach=1, image_width=3)
    model.pixel_links.weight.data.fill_(1.0)
    spec, arrays = model_arrays(model)
    assert arrays[spec["pixel_links"]].tolist() == [1, 0, 1, 1, 1, 0, 1, 1, 1, 1, 0, 1, 1, 0, 1]


def test_a_layer_that_the_browser_does_not_know_is_named() -> None:
    model = built("vae")
    model.decoder = nn.Sequential(nn.Linear(3, 7), nn.GELU())
    with pytest.raises(TypeError, match=r"the browser has no GELU \(decoder\.1\)"):
        model_arrays(model)
