"""The page that documents a roster's columns, and a template to start from."""

from typing import Final

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from ledger.services.rosters import (
    COLUMNS,
    MAX_BYTES,
    MAX_PROBLEMS,
    MAX_ROWS,
    encode_roster,
)
from ledger.web.rendering import render
from ledger.web.strict import StrictRoute

router = APIRouter(route_class=StrictRoute, include_in_schema=False)

_NAME: Final = "roster-template.csv"


@router.get("/help/rosters")
def get_roster_help() -> HTMLResponse:
    """Explain the columns."""
    return render(
        "roster_help.html",
        columns=COLUMNS,
        template=_NAME,
        most_problems=MAX_PROBLEMS,
        most_rows=MAX_ROWS,
        most_megabytes=MAX_BYTES // 1_000_000,
    )


@router.get(f"/help/{_NAME}")
def get_roster_template() -> Response:
    """Give a roster with the header and one example, as spreadsheets open it."""
    # The mark makes Excel read it as UTF-8; the reader of rosters takes it away again.
    text = b"\xef\xbb\xbf" + encode_roster({c.name: c.example for c in COLUMNS})
    headers = {"Content-Disposition": f'attachment; filename="{_NAME}"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)
