"""One jinja2 environment for every rendered file: an undefined name is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined


def render(template: Path, **values: Any) -> str:
    """Render a template file. Raises jinja2.UndefinedError when it uses a name that was not given."""
    environment = Environment(
        undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(template.read_text()).render(**values)
