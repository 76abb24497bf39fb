"""Latent spaces that are to know where their data are: every system that the report names in sections 2, 3.1.2, 3.2.1.

systems.py: all of them for one profile and seed, by name, in one call, `systems`.
variance.py: the radial bells of a decoder's variance, fitted to codes and errors.
processes.py: Gaussian-process decoders: from codes that are given, or with codes of their own.
kept.py: what was fitted, on disk.
between.py: shortest paths between test digits, and their share where data are sparse.
wide.py: maps that reach far beyond the data.
held_out.py: what each model loses on test images and how flat it is; `python -m pullback.study.away` for five seeds.
"""

HELD_OUT = 1  # the version of what turns a trained model into a record of held_out.py: see recipes.py
