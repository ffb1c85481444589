"""HTML from templates: everything escaped, a name that a page forgot is an error."""

from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

_environment: Final = Environment(
    loader=PackageLoader("ledger.web"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(page: str, /, **values: object) -> HTMLResponse:
    """Fill a template."""
    return HTMLResponse(_environment.get_template(page).render(**values))
