"""The report's ten panels against the choices that its text does not print; docs/panels.md has the criteria.

published.npz  the ten panels as numbers, digitised from Figures 1 to 5
published.py   what is read of them: visible cells, quantiles, errors of reading, roughness
grid.py        the variants of unprinted choices, as data, in two stages
score.py       what counts as compatible with a panel
measuring.py   the numbers of a trained model that are compared with its panels
run.py         `python -m pullback.study.panels`: train, measure, record; continues where it stopped
reading.py     the records: what was measured of each variant, and which go on to five seeds
rows.py        rows P-1 to P-10 of the scorecard, and the model that fits each figure best
maps.py        the maps of these models, for figures
statements.py  which of the report's statements hang on which choice
"""
