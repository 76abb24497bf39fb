"""The explorer of a latent space in a browser.

notebook.py: `explore`, the explorer in a notebook, with the kernel computing.
bundle.py: modules of JavaScript joined into one script.
view/: what the reader sees, for any backend that computes; the page of the site is built of it in site/explorer.
"""

from .notebook import Explorer, explore

__all__ = ["Explorer", "explore"]
