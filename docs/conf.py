"""Sphinx's settings for the site; site/make_site.py calls Sphinx with them."""

import re

project = "pullback"
author = copyright = "the pullback contributors"
html_title = "pullback"
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_design",
]
exclude_patterns = ["included"]
default_role = "literal"

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"
nb_merge_streams = True
nb_render_markdown_format = "myst"

autosummary_generate = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
# Names of other packages lead nowhere without a network, and what is not public has no entry.
nitpick_ignore_regex = [("py:.*", r"(?!pullback\.).*"), ("py:.*", r"pullback\.\w+\..*")]

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = html_show_sphinx = html_use_index = False
html_theme_options = {"navigation_with_keys": True}
mathjax_path = "mathjax/tex-svg.js"


def as_rst(app, what, name, obj, options, lines):
    """Docstrings are plain text: no sign outside of backticks is markup. An entry "name : what it is" becomes an item
    of a list, and the heading of a list stands in bold."""
    text, inside = [], False
    for line in lines:
        pieces = re.split(r"(`[^`]*`)", line)
        line = "".join(p if p[:1] == "`" else re.sub(r"([|*])|(?<=\w)_(?!\w)", r"\\\g<0>", p) for p in pieces)
        entry = re.fullmatch(r"(\w+(?:, \w+)*) : (.*)", line)
        if re.fullmatch("-{3,}", line):
            text[-1:] = [f"**{text[-1]}**", ""]
        elif entry:
            text += [""] * (not inside) + [f"- ``{entry[1]}``: {entry[2]}"]
            inside = True
        elif inside and line.startswith("    "):
            text.append(line[2:])
        else:
            text += [""] * (inside and line != "") + [line]
            inside = False
    lines[:] = text


def is_told_already(app, what, name, obj, skip, options):
    """The fields of a named tuple stand in its docstring."""
    return True if (getattr(obj, "__doc__", "") or "").startswith("Alias for field number") else None


def setup(app):
    app.connect("autodoc-skip-member", is_told_already)
    app.connect("autodoc-process-docstring", as_rst)
