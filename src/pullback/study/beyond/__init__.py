"""Beyond MNIST and the plane: VAEs and DAEs of two data sets with 2 to 16 latent dimensions.

`docs/beyond.md` says what is measured and judged; `python -m pullback.study.beyond` does it.

items.py      the 80 models, and what decides a record
codes.py      conditioning, magnitude and roughness at codes, in any latent dimension
pairs.py      straight lines and the curves of several solvers between pairs of test images
run.py        one record a model; continues where it stopped
judgement.py  rows B-1 to B-9 and their verdicts
tables.py     the records as tables
"""

RECIPE = 1  # the version of what turns a trained model into the numbers of a record: see recipes.py
