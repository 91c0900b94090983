"""Cross references in docstrings are Sphinx's, such as :class:`X`: the site shows the name alone."""

import re
from typing import Any


def on_page_content(html: str, **_: Any) -> str:
    """Drop the role before a name."""
    return re.sub(r":(?:class|func|meth|mod|attr):<code>~?", "<code>", html)
