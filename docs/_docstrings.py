"""For the site only: docstrings say ``Example:``, and mkdocstrings sets code under ``Examples:``."""

import re
from typing import Any

from griffe import Extension, Object


class ExampleSections(Extension):
    """Gives the section of examples the name under which its code is set as code."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Change the docstring of a module, class, function or attribute as it is read."""
        if obj.docstring:
            obj.docstring.value = re.sub(r"(?m)^Example:$", "Examples:", obj.docstring.value)
