"""Settings of Sphinx; ``make docs`` builds the pages into ``docs/_build/html``."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
PAGES = HERE.parent
sys.path[:0] = [str(HERE), str(PAGES.parent)]

import bgrl
import render

project = "bgrl"
author = "The bgrl authors"
copyright = "the bgrl authors"
release = version = bgrl.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
    "sphinx-mathjax-offline",
]
exclude_patterns = ["_build", "make", "gallery", "newcomer", "notebooks"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
html_theme = "furo"
html_title = f"bgrl {release}"
html_show_sourcelink = False
# Links in pages are to pages, files of the repository, or headings; all must exist.
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "dollarmath"]

# Docstrings are NumPy's, and names in them may be of anything.
default_role = "py:obj"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_custom_sections = render.SECTIONS
autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "undoc-members": True, "ignore-module-all": True}
autodoc_typehints = "none"
templates_path = ["templates"]

sphinx_gallery_conf = {
    "examples_dirs": str(PAGES / "gallery"),
    "gallery_dirs": str(PAGES / "generated" / "gallery"),
    "filename_pattern": r"plot_",
    "image_scrapers": (render.figures,),
    "reset_modules": (),
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "remove_config_comments": True,
    "min_reported_time": 0,
    "within_subsection_order": "FileNameSortKey",
    "capture_repr": (),
}
# The gallery's settings hold a function, which is no value to compare with that of the build before; and
# a name in a docstring may be that of fields of several classes.
suppress_warnings = ["config.cache", "ref.python"]


def setup(app):
    """Have the pages that are made of circuits and tasks written before they are read."""
    # It copies files at the end, so pages can be read in parallel, which it does not say.
    app.extensions["sphinx-mathjax-offline"].parallel_read_safe = True
    app.connect("builder-inited", lambda app: render.write(PAGES / "generated"), priority=1)
