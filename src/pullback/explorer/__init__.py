"""The explorer of a latent space in a browser.

bundle.py: modules of JavaScript joined into one script.
view/: what the reader sees, for any backend that computes; the page of the site is built of it in site/explorer.
"""
