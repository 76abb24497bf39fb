"""Generators of three latent dimensions, one for every activation and common layer of torch.nn."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ARGUMENTS: dict[str, tuple] = {
    "Threshold": (0.1, 0.2),
    "Softmax": (1,),
    "LogSoftmax": (1,),
    "Softmin": (1,),
    "GLU": (1,),
}


class Function(nn.Module):
    """A function of tensors as a module, with the modules that it uses."""

    def __init__(self, function: Callable[..., Tensor], *modules: nn.Module) -> None:
        super().__init__()
        self.function, self.used = function, nn.ModuleList(modules)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, *self.used)


def flat(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 16), *layers, nn.Flatten(1))


def shaped(shape: tuple[int, ...], *layers: nn.Module) -> nn.Sequential:
    size = int(torch.tensor(shape).prod())
    return nn.Sequential(nn.Linear(3, size), nn.Unflatten(1, shape), *layers, nn.Flatten(1))


def line(*layers: nn.Module) -> nn.Sequential:
    return shaped((4, 8), *layers)


def image(*layers: nn.Module) -> nn.Sequential:
    return shaped((4, 6, 6), *layers)


def volume(*layers: nn.Module) -> nn.Sequential:
    return shaped((2, 4, 4, 4), *layers)


def activations() -> dict[str, nn.Module]:
    """Every name of torch.nn's activations, present and future, but attention (a layer here)."""
    found: dict[str, nn.Module] = {}
    for name in nn.modules.activation.__all__:
        if name == "MultiheadAttention":
            continue
        layer = getattr(nn, name)(*ARGUMENTS.get(name, ()))
        if name == "Softmax2d":
            found[name] = image(layer)
        else:
            found[name] = flat(layer, nn.Linear(8 if name == "GLU" else 16, 12), nn.Tanh())
    found["GELU by tanh"] = flat(nn.GELU("tanh"), nn.Linear(16, 12))
    found["ReLU in place"] = flat(nn.ReLU(inplace=True), nn.Linear(16, 12), nn.ELU(inplace=True))
    return found


def layers() -> dict[str, nn.Module]:
    tanh = nn.Tanh()
    norm = nn.utils.parametrizations
    encoder = {"d_model": 8, "nhead": 2, "dim_feedforward": 16, "batch_first": True}
    found = {
        "Linear": flat(tanh),
        "Bilinear": flat(Function(lambda x, b: b(x, x), nn.Bilinear(16, 16, 5))),
        "weight norm": nn.Sequential(norm.weight_norm(nn.Linear(3, 8)), tanh),
        "spectral norm": nn.Sequential(norm.spectral_norm(nn.Linear(3, 8)), tanh),
        "Conv1d": line(nn.Conv1d(4, 5, 3), tanh),
        "Conv2d": image(nn.Conv2d(4, 5, 3, padding=1, padding_mode="reflect"), tanh),
        "Conv2d in groups": image(nn.Conv2d(4, 8, 3, padding=2, dilation=2, groups=4), tanh),
        "Conv3d": volume(nn.Conv3d(2, 3, 3), tanh),
        "ConvTranspose1d": line(nn.ConvTranspose1d(4, 3, 4, 2, 1), tanh),
        "ConvTranspose2d": image(nn.ConvTranspose2d(4, 3, 4, 2, 1), tanh),
        "ConvTranspose3d": volume(nn.ConvTranspose3d(2, 3, 4, 2, 1), tanh),
        "BatchNorm1d": flat(nn.BatchNorm1d(16), tanh),
        "BatchNorm2d": image(nn.BatchNorm2d(4), tanh),
        "BatchNorm3d": volume(nn.BatchNorm3d(2), tanh),
        "LayerNorm": flat(nn.LayerNorm(16), tanh),
        "RMSNorm": flat(nn.RMSNorm(16), tanh),
        "GroupNorm": image(nn.GroupNorm(2, 4), tanh),
        "InstanceNorm1d": line(nn.InstanceNorm1d(4), tanh),
        "InstanceNorm2d": image(nn.InstanceNorm2d(4, affine=True), tanh),
        "InstanceNorm3d": volume(nn.InstanceNorm3d(2), tanh),
        "LocalResponseNorm": image(nn.LocalResponseNorm(3), tanh),
        "LPPool2d": image(tanh, nn.LPPool2d(2, 2)),
        "MaxPool1d": line(tanh, nn.MaxPool1d(2)),
        "MaxPool2d": image(tanh, nn.MaxPool2d(2)),
        "MaxPool3d": volume(tanh, nn.MaxPool3d(2)),
        "AvgPool1d": line(tanh, nn.AvgPool1d(2)),
        "AvgPool2d": image(tanh, nn.AvgPool2d(2)),
        "AvgPool3d": volume(tanh, nn.AvgPool3d(2)),
        "AdaptiveAvgPool2d": image(tanh, nn.AdaptiveAvgPool2d(4)),
        "AdaptiveMaxPool2d": image(tanh, nn.AdaptiveMaxPool2d(4)),
        "PixelShuffle": image(tanh, nn.PixelShuffle(2)),
        "PixelUnshuffle": image(tanh, nn.PixelUnshuffle(2)),
        "ChannelShuffle": image(tanh, nn.ChannelShuffle(2)),
        "Unfold, Fold": image(tanh, nn.Unfold(3), nn.Fold((6, 6), 3)),
        "ReflectionPad2d": image(tanh, nn.ReflectionPad2d(2)),
        "ReplicationPad2d": image(tanh, nn.ReplicationPad2d(2)),
        "CircularPad2d": image(tanh, nn.CircularPad2d(2)),
        "ZeroPad2d": image(tanh, nn.ZeroPad2d(2)),
        "Dropout": flat(nn.Dropout(), tanh),
        "Dropout2d": image(nn.Dropout2d(), tanh),
        "AlphaDropout": flat(nn.AlphaDropout(), tanh),
        "Identity": flat(nn.Identity(), tanh),
        "MultiheadAttention": line(Function(lambda x, a: a(x, x, x)[0], nn.MultiheadAttention(8, 2, batch_first=True))),
        "attention without weights": line(
            Function(lambda x, a: a(x, x, x, need_weights=False)[0], nn.MultiheadAttention(8, 2, batch_first=True))
        ),
        "scaled dot products": line(Function(lambda x: F.scaled_dot_product_attention(x, x, x))),
        "TransformerEncoderLayer": line(nn.TransformerEncoderLayer(**encoder)),
        "norm first, GELU": line(nn.TransformerEncoderLayer(**encoder, activation="gelu", norm_first=True)),
        "TransformerEncoder": line(nn.TransformerEncoder(nn.TransformerEncoderLayer(**encoder), 2)),
        "TransformerDecoderLayer": line(Function(lambda x, d: d(x, x), nn.TransformerDecoderLayer(**encoder))),
        "RNN": line(Function(lambda x, r: r(x)[0], nn.RNN(8, 5, 2, batch_first=True))),
        "LSTM": line(Function(lambda x, r: r(x)[0], nn.LSTM(8, 5, batch_first=True, bidirectional=True))),
        "GRU": line(Function(lambda x, r: r(x)[0], nn.GRU(8, 5, batch_first=True))),
        "LSTMCell": flat(Function(lambda x, r: r(x)[0], nn.LSTMCell(16, 5))),
        "GRUCell": flat(nn.GRUCell(16, 5)),
        "linear solve": flat(
            Function(lambda x: torch.linalg.solve(x[:, :, None] * x[:, None] + torch.eye(16).to(x), x))
        ),
        "grid_sample, without forward mode": image(Function(_shrunk)),
        "cdist, without forward mode": flat(Function(lambda x: torch.cdist(x[:, None], torch.eye(16).to(x)[None]))),
    }
    for mode in ("nearest", "nearest-exact", "bilinear", "bicubic"):
        found[f"Upsample {mode}"] = image(tanh, nn.Upsample(scale_factor=2, mode=mode))
    found["Upsample linear"] = line(tanh, nn.Upsample(scale_factor=2, mode="linear"))
    found["Upsample trilinear"] = volume(tanh, nn.Upsample(scale_factor=2, mode="trilinear"))
    return found


def _shrunk(x: Tensor) -> Tensor:
    x = x.tanh()
    matrix = 0.8 * torch.eye(2, 3, dtype=x.dtype).expand(len(x), 2, 3)
    return F.grid_sample(x, F.affine_grid(matrix, [len(x), 4, 5, 5], align_corners=False), align_corners=False)


def table() -> dict[str, nn.Module]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return {name: f.eval() for name, f in {**activations(), **layers()}.items()}
