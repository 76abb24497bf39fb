"""The report's statements, tested: what is measured for each, what it must reach, and what the records say.

criteria.py: what a claim is made of: parts, each an effect with its threshold; groups of models.
catalogue.py: the report's claims as data: statement, measure, parts. questions.py: those that it asks, and ours.
fresh.py: what is measured of fresh seeds in place of what the explored ones have.
effects.py: functions that compute one number from the records of one seed.
remedies.py: the claims R-1 to R-9 of what keeps paths on the data, and their verdicts.
statistics.py: intervals, bands, p-values, Holm's correction, and how many seeds would do.
verdicts.py: from the effects of several seeds to verdicts, and why some are open; results/claims.json.
tables.py: the verdicts as tables.
reference.py: results/reference.json, with whose bands a run of one's own is compared.
verify.py: `make verify`: the records among themselves, claims.json against them, another run against the bands.
"""
