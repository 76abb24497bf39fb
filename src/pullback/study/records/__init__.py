"""What is measured of each trained model, kept as one file a model and seed, and read as tables.

items.py: what the sweep trains and measures: models, seeds, sizes of training sets, and the names of their records.
schema.py: what a record holds, as typed data, and its form in JSON.
reading.py: records written to files and read from them, with all that can be wrong with a file.
consistency.py: whether the numbers of records agree among themselves.
measurement.py: the numbers of one trained model.
quantities.py: numbers of a map, of a GAN's samples, of a model's reconstructions.
interpolation.py: numbers of a curve: how well it interpolates images, where data are sparse, how sensitive it is.
tables.py: records as tables, one row an observation.
one_seed.py: one run as a table, from the sidecars of its figures, and its best and worst interpolations.
"""
