"""The verifier as one page, as the archives carry it: to use here, or to keep."""

import re
from typing import Final

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from ledger.errors import NotFound
from ledger.services.archives import verifier_page
from ledger.web.strict import StrictRoute

router = APIRouter(route_class=StrictRoute, include_in_schema=False)

_POLICY: Final = re.compile(
    '<meta http-equiv="Content-Security-Policy" content="([^"]+)">'
)


@router.get("/verifier.html")
def get_verifier() -> HTMLResponse:
    """Hand out the page, under the policy that stands in it. Raises NotFound."""
    page = verifier_page()
    if page is None:
        raise NotFound(
            "this ledger was installed without verifier.html; any copy of it does the same"
        )
    text = page.decode()
    policy = _POLICY.search(text)
    if policy is None:
        raise RuntimeError("verifier.html carries no policy: it was not built by us")
    headers = {
        # A page cannot forbid by itself to be framed.
        "Content-Security-Policy": f"{policy[1]}; frame-ancestors 'none'",
        "Cache-Control": "public, max-age=300",
    }
    return HTMLResponse(text, headers=headers)
