"""One epoch of the 128-32 tanh VAE on all of MNIST: the study's loop against the usual DataLoader pipeline.

Usual: torchvision's MNIST with ToTensor and flatten applied image by image, a shuffling DataLoader with no worker
(num_workers=0) or two, torch's own binary cross-entropy and default Adam. The same model, batch size and learning
rate, first with one thread, then with one a processor, torch's default. Repeats are interleaved, so that whatever
else the machine does meets all of them; the ratio is the median over repeats of each repeat's own.
"""

from __future__ import annotations

import os
import time
from statistics import median

import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from pullback.study import data
from pullback.study.models import VAE, get_spec
from pullback.study.paths import data_root
from pullback.study.training import TrainingSettings, train

REPEATS = 3
SPEC, SETTINGS = get_spec("vae-128-32-tanh"), TrainingSettings(epochs=1)


def ours(images: torch.Tensor, labels: torch.Tensor) -> float:
    """The epoch's mean loss, in nats an image."""
    trained = train(SPEC, SETTINGS, images, labels, device="cpu", progress=lambda line: None)
    return trained.history["negative ELBO"][0]


def usual(dataset: Dataset, workers: int) -> float:
    """The epoch's mean loss, in nats an image."""
    torch.manual_seed(0)
    model = SPEC.build()
    assert isinstance(model, VAE)
    noise = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=SETTINGS.learning_rate, betas=SETTINGS.betas)
    loader = DataLoader(dataset, batch_size=SETTINGS.batch_size, shuffle=True, num_workers=workers)
    total = 0.0
    for images, _ in loader:
        optimizer.zero_grad()
        mean, log_variance = model.encoder(images).chunk(2, dim=1)
        decoded = model.generator(mean + (0.5 * log_variance).exp() * torch.randn(mean.shape, generator=noise))
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum()
        loss = (F.binary_cross_entropy(decoded, images, reduction="sum") + divergence) / len(images)
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(loader)


def main() -> None:
    images, labels = data.load("train")
    dataset = data.reader()(data_root(), transform=transforms.Compose([transforms.ToTensor(), torch.flatten]))
    first, digits = next(iter(DataLoader(dataset, batch_size=SETTINGS.batch_size)))
    assert torch.equal(first, images[: len(first)]) and torch.equal(digits, labels[: len(first)])

    ways = {"ours": lambda: ours(images, labels)} | {
        f"DataLoader, num_workers={workers}": lambda workers=workers: usual(dataset, workers) for workers in (0, 2)
    }
    ours(images[:5000], labels[:5000])  # the first call of all pays for what is loaded lazily
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    print(f"One training epoch, {SPEC.name}, {len(images)} images, {processors} processors")
    print(f"{'':<26}{'threads':>8}{'seconds':>8}{'ratio':>7}{'loss':>8}")
    for threads in sorted({1, processors}):
        torch.set_num_threads(threads)
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        losses = {}
        for _ in range(REPEATS):
            for way, epoch in ways.items():
                started = time.perf_counter()
                losses[way] = epoch()
                seconds[way].append(time.perf_counter() - started)
        assert max(losses.values()) < 1.1 * min(losses.values()), f"not the same training: {losses}"
        for way, times in seconds.items():
            ratio = median(other / own for other, own in zip(times, seconds["ours"], strict=True))
            print(f"{way:<26}{threads:>8}{median(times):>8.2f}{ratio:>7.1f}{losses[way]:>8.1f}")


if __name__ == "__main__":
    main()
