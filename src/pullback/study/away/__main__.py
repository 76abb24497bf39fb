"""`python -m pullback.study.away`: see held_out.py."""

import sys

from .held_out import main

if __name__ == "__main__":
    sys.exit(main())
