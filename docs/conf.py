"""How Sphinx builds the site; `make docs` stages what it is built from."""

import sys
import warnings
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.domains.python import PyXRefRole

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from scripts.docs.reference import once

project = "ndlab"
author = "The ndlab authors"
copyright = "The ndlab authors, Apache-2.0"  # noqa: A001 - so Sphinx calls it
html_title = "ndlab"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
# The notebooks were run, and their numbers checked, by `ndlab paper`.
nb_execution_mode = "off"
# A page that runs nothing shows what a widget says of itself in HTML; no player is fetched for it.
nb_ipywidgets_js = {}
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]
nb_render_text_lexer = "none"
nb_merge_streams = True
# Progress bars go there.
nb_output_stderr = "remove"
myst_enable_extensions = ["attrs_inline"]
myst_heading_anchors = 4
suppress_warnings = ["misc.highlighting_failure"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb", ".rst": "restructuredtext"}

default_role = "quoted"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_param = False
napoleon_custom_sections = [("Attributes", "params_style")]
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autoclass_content = "class"
add_module_names = False
python_use_unqualified_type_names = True
maximum_signature_line_length = 100

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["ndlab.css"]
html_show_sourcelink = False
html_copy_source = False
pygments_style = "default"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#22577a", "color-brand-content": "#22577a"},
    "dark_css_variables": {"color-brand-primary": "#7fc4e8", "color-brand-content": "#7fc4e8"},
}
copybutton_exclude = ".linenos, .gp, .go"


def setup(app: Sphinx) -> None:
    """Make a link of `Volume` in a docstring, and plain text of a parameter."""
    from docutils import nodes

    names, link = once(), PyXRefRole()

    def quoted(name, rawtext, text, lineno, inliner, options=None, content=()):
        if "." in text or text in names:
            return link("py:obj", rawtext, text, lineno, inliner, options or {}, content)
        return [nodes.literal(rawtext, text)], []

    app.add_role("quoted", quoted)


warnings.filterwarnings("ignore", category=DeprecationWarning)
