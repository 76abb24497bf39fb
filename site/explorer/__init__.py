"""The explorer of the site: a page by itself that computes in the reader's browser.

build.py: writes the page and the models' files.
catalogue.py: the study's models and digits.
page.html: the page. What it looks like is in src/pullback/explorer/view, which notebooks share.
src/main.js: the page's start, its choice of a model, its messages; link.js: its permanent link; container.js: the
    models' files; backend.js, engine.js: what computes, in a worker and in the page.
src/kernel.js, network.js, points.js, spline.js, newton.js, grid.js, geodesic.js, exponential.js: the library's
    geometry once more, for plain networks of two latent dimensions; each says whose numbers it repeats.
"""
