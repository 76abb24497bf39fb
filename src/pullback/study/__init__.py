"""The companion of Ramirez (2020): data, models, training, records, claims and figures.

models/: one family a file, losses, and the catalogue of the study's models.
records/: what is measured on a trained model: schema, measurement, reading.
solvers/: all solvers on the same pairs, their scores, and the report's premise.
claims/: the report's statements as data, their effects, verdicts and tables, and `make verify`.
panels/: the report's ten panels against variants of the choices that it does not print.
away/: systems that are to know where their data are, all in one call.
rings/: rotated digits, whose shortest paths are known, and how far each metric's are from them.
beyond/: other data and more latent dimensions, and which statements hold there.
plots/: drawing.

data.py: MNIST and Fashion-MNIST, verified by hash. sources.py: where they come from.
profiles.py, parameters.py: the sizes of a run, and what a caller may set.
training.py: the one training loop. trained_models.py: loaded, carried over, or trained. progress.py: its lines.
checkpoints.py: files of trained models, and what decides their keys. former.py: files of the first format.
recipes.py: the versions that enter the keys of models and results, and the guard that asks for a new one.
published.py: models and results that travel with a clone, in weights/. publish.py: writes that folder.
latent_points.py: the codes, the box and the pairs of test digits of a model. knots.py: curves as they are kept.
notebook.py: what every notebook starts from. report.py: what the report prints.
choices.py: every setting and where it comes from. labels.py: what models and families are called.
figures.py, provenance.py: figures with their sidecars; versions, and the seals of what a run writes.
sweep.py, cluster.py: five seeds of everything, here or on a Dask cluster. workers.py: processes side by side.
paths.py, errors.py: where things are, and the errors a user can meet.
"""
