"""The report's ten panels against the choices that its text does not print.

published.npz  the ten panels as numbers, digitised from Figures 1 to 5
published.py   what is read of them: visible cells, quantiles, errors of reading, roughness
grid.py        the variants of unprinted choices, as data, in two stages
score.py       what counts as compatible with a panel, fixed before any variant was measured
run.py         `python -m pullback.study.panels.run`: train, measure, record; continues where it stopped
"""
