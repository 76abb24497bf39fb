"""Digits rotated through all angles: data whose shortest paths are known, and how far each metric's are from them.

Codes are given, on a circle a digit, because those that an encoder chooses wind and come near themselves.
`docs/rings.md` says what is judged; `python -m pullback.study.rings` judges it.

digits.py: the images and their codes. decoders.py: what is trained on them. metrics.py: every metric that is compared.
judgement.py: the measures of a path, and what they say of a metric. run.py: one record a number of digits and seed.
paths.py: the paths that notebook 7 draws. tables.py: what the records say, as tables.
"""

RECIPE = 1  # the version of what turns digits and a seed into a record: see recipes.py
