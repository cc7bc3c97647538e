"""Sphinx's settings for the site: stored outputs, and nothing from the network."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from traceback_lexer import TracebackLexer

project = "Async views in Django"
author = ""
copyright = "its authors, under the BSD 3-Clause License"
language = "en"

extensions = ["myst_nb"]
nb_execution_mode = "off"
nb_render_error_lexer = TracebackLexer.aliases[0]
myst_heading_anchors = 6
smartquotes = False  # Trap: it would change what people copy and search for.

html_theme = "sphinx_book_theme"
html_title = project
html_favicon = "static/favicon.svg"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_use_index = False
html_context = {"default_mode": "auto"}
html_theme_options = {
    "use_download_button": False,
    "use_fullscreen_button": False,
    "navbar_persistent": [],  # the search of the theme below this one, a second time
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}


def setup(app: Any) -> None:
    """Make the lexer known."""
    app.add_lexer(TracebackLexer.aliases[0], TracebackLexer)
