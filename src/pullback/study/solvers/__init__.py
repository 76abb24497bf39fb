"""The solvers compared: run on the same pairs, scored against the shortest path, and what predicts that they fail.

runs.py: which solvers are compared, on what, and their results kept on disk under keys.
scores.py: which pairs are scored, which are solved, and tables of shares, lengths and times.
premise.py: rank correlations of what a solver meets on the way with its failure; latent against geodesic distance.
"""
