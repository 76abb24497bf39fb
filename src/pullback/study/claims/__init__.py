"""The report's statements, tested: what is measured for each, what it must reach, and what the records say.

catalogue.py: the claims as data: statement, measure, and parts, each an effect with its threshold.
effects.py: functions that compute one number from the records of one seed.
verdicts.py: from the effects of several seeds to intervals, bands and verdicts; results/claims.json.
tables.py: the verdicts as tables.
verify.py: `make verify`: records against claims.json, claims.json against the bands of results/reference.json.
"""
