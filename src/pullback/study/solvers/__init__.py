"""The solvers compared: run on the same pairs, scored against bounds of the distances, and what makes them fail.

runs.py: which solvers are compared, on what, and their results kept on disk.
certificates.py: lower bounds of the distances, and failed curves polished.
scores.py: which pairs are solved, by the bounds, and tables of shares, lengths and times.
premise.py: rank correlations of what a solver meets on the way with its failure; latent against geodesic distance.
interventions.py: conditioning changed, and nothing else: bad coordinates and bad geometry.
numerics.py: float32 and difference quotients, as conditioning grows.
field.py: the benchmark file for solvers of others, and its decoders.
"""
