"""Plain networks: what is one, the list of its layers, and what thinning leaves."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

from pullback.geometry import Derivatives
from pullback.geometry.layers import PlainNetwork
from shared import decoder

ACTIVATIONS = {"tanh": np.tanh, "sigmoid": lambda a: 1 / (1 + np.exp(-a)), "relu": lambda a: np.maximum(a, 0)}
Z = torch.randn(7, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("activation", [nn.Tanh, nn.ReLU, nn.Sigmoid])
def test_the_layer_list_is_the_network_for_a_reader_without_torch(activation):
    d = Derivatives(decoder(activation=activation))
    x = Z.numpy()
    for layer in json.loads(json.dumps(d.network.layer_list())):
        known = "activation" in layer
        x = ACTIVATIONS[layer["activation"]](x) if known else x @ np.array(layer["weight"]).T + np.array(layer["bias"])
    np.testing.assert_allclose(x, d(Z), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("stride", [1, 3, 5, 60])
def test_thinning_keeps_every_stride_th_output(stride):
    d = Derivatives(decoder())
    thin = d.thinned(stride)
    torch.testing.assert_close(thin.value(Z), d.value(Z)[:, ::stride])
    torch.testing.assert_close(thin(Z), d(Z)[:, ::stride])
    torch.testing.assert_close(thin.jacobian(Z), d.jacobian(Z)[:, ::stride])


def test_what_is_more_than_plain_is_no_plain_network():
    assert PlainNetwork.of(decoder()) is not None
    hooked, own = decoder(), decoder()
    hooked[2].register_forward_hook(lambda module, args, output: 2 * output)
    own[2].forward = lambda a: a
    for f in (hooked, own, decoder(activation=nn.GELU), nn.Sequential(nn.Tanh()), nn.Sequential(), torch.sin):
        assert PlainNetwork.of(f) is None
    d = Derivatives(decoder(activation=nn.GELU))
    assert d.thinned(5) is d
