"""Latent spaces that are to know where their data are: every system that the report names in sections 2, 3.1.2, 3.2.1.

systems.py: all of them for one profile and seed, by name, in one call, `systems`.
variance.py: the radial bells of a decoder's variance, fitted to codes and errors.
processes.py: Gaussian-process decoders: from codes that are given, or with codes of their own.
kept.py: what was fitted, on disk.
between.py: shortest paths between test digits, and their share where data are sparse.
wide.py: maps that reach far beyond the data.
held_out.py: what each model loses on test images and how flat it is.
knobs.py: the systems with other settings, one turned at a time.
draws.py: chains of least energy of independent draws. uses.py: clusters, and learning from few labels.
judging.py: the measures of docs/away.md of one system. run.py: one record a seed; `python -m pullback.study.away`.
tables.py: what the records of MNIST say. advice.py: what to use, by the rings and MNIST.
"""

MNIST = 1  # the version of what turns the models of a seed into a record of run.py: see recipes.py
HELD_OUT = 1  # the version of what turns a trained model into a record of held_out.py: see recipes.py
