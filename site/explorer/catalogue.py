"""The study's sixteen models for the explorer, with the test digits that can be picked."""

from __future__ import annotations

from collections.abc import Callable

import torch

from pullback.study import data, published
from pullback.study.models import HEALTHY_GANS, REPORT, ModelSpec
from pullback.study.notebook import Study
from pullback.study.trained_models import available

from .build import Digits, Model

EACH = 2  # digits of a class that can be picked
FROM, TO = 0, 9  # classes of the digits that a model opens with
FAMILIES = {
    "vae": ("Variational autoencoder", "Trained to encode and decode handwritten digits; the report's favourite."),
    "dae": ("Denoising autoencoder", "Trained to restore handwritten digits from noise."),
    "collapsed": ("GAN, batch norm in D", "With batch norm in its discriminator D it collapses: it draws few images."),
    "r1": ("GAN, no batch norm in D, R1 penalty", "The same generator with two changes draws all ten digits."),
}


def study_models(progress: Callable[[str], object] = print) -> tuple[list[Model], Digits]:
    """The models that are published or have a checkpoint, in the report's order, and the digits; none is trained."""
    study = Study("explorer")
    specs, data_hash = (*REPORT, *HEALTHY_GANS), data.data_hash(study.profile.sample)
    settings = study.settings(specs[0])
    there = published.models(specs, settings, data_hash, progress)
    ready = [s for s in specs if s.name in there or available(s, settings, data_hash, progress)]
    if missing := [spec.name for spec in specs if spec not in ready]:
        progress(f"not in the explorer, because they are not trained: {', '.join(missing)}")
    if not ready:
        return [], Digits(torch.zeros(0, 784, dtype=torch.uint8), [])
    trained = study.models(ready, lambda _: None)
    images, labels = study.images("test")
    first = study.pairs(trained[ready[0].name]).images.flatten()  # the same images for every model
    chosen = [at for label in range(10) for at in (labels[first] == label).nonzero().flatten()[:EACH].tolist()]
    digits = Digits((255 * images[first[chosen]]).round().byte(), labels[first[chosen]].tolist())
    models = []
    for spec in ready:
        pairs = study.pairs(trained[spec.name])
        codes = torch.stack((pairs.start, pairs.end), 1).flatten(0, 1)[chosen].double()
        start, end = (digits.labels.index(label) for label in (FROM, TO))
        model = trained[spec.name]
        models.append(_model(spec, model.model.generator, study.box(model), codes, start, end))
    return models, digits


def _model(
    spec: ModelSpec, generator: torch.nn.Module, box: tuple, codes: torch.Tensor, start: int, end: int
) -> Model:
    family = spec.family if spec.family != "gan" else "r1" if spec in HEALTHY_GANS else "collapsed"
    title, note = FAMILIES[family]
    if spec.family == "gan":
        note += " A picked digit stands where the drawn image is most like it."
    widths = "–".join(map(str, reversed(spec.hidden)))
    return Model(spec.name, f"{title}, {widths} {spec.activation}", note, generator, box, codes.tolist(), start, end)
