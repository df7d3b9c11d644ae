"""Pages and orders: `page`, `per-page`, `sort-by`, `direction`, and the Link header (contracts/modzy.md, A.2)."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request

from headrace.domain.errors import Invalid
from headrace.domain.listing import CAP, Page

DEFAULT = 10  # per page, when only the page is named


class PagingQuery(msgspec.Struct, rename={"per_page": "per-page", "sort_by": "sort-by"}):
    """The first page is 1; 0 means the same."""

    page: int | None = None
    per_page: int | None = None
    sort_by: str | None = None
    direction: str | None = None


def page_of(query: PagingQuery) -> Page:
    """Everything, up to a cap, when neither page nor size is named. Raises Invalid."""
    page = 1 if query.page is None else query.page
    size = query.per_page
    if size is None:
        size = CAP if query.page is None else DEFAULT
    if page < 0 or page > 1 << 31:
        raise Invalid(f"`page` should be 1 or more, but is {page}")
    if size < 1:
        raise Invalid(f"`per-page` should be between 1 and {CAP}, but is {size}")
    return Page(max(1, page), min(size, CAP))


def is_descending(query: PagingQuery, *, default: bool = False) -> bool:
    match (query.direction or "").upper():
        case "":
            return default
        case "ASC":
            return False
        case "DESC":
            return True
        case other:
            raise Invalid(f"`direction` should be ASC or DESC, but is {other[:20]!r}")


def sort_field(query: PagingQuery, allowed: Sequence[str], default: str) -> str:
    """The first of the comma list. Raises Invalid for a field that cannot be sorted by."""
    field = (query.sort_by or "").split(",")[0].strip()
    if not field:
        return default
    if field not in allowed:
        raise Invalid(f"`sort-by` should be one of {', '.join(allowed)}, but is {field[:60]!r}")
    return field


def link_headers(request: Request, base_url: str, page: Page, shown: int) -> Mapping[str, str]:
    """RFC 8288: `next` after a full page (the one behind it may be empty), `prev` after the first."""
    links = []
    if shown >= page.size:
        links.append(f'<{_url(request, base_url, page.number + 1, page.size)}>; rel="next"')
    if page.number > 1:
        links.append(f'<{_url(request, base_url, page.number - 1, page.size)}>; rel="prev"')
    return {"Link": ", ".join(links)} if links else {}


def words(text: str | None) -> tuple[str, ...]:
    """A filter's values: a comma or a semicolon separates them, and each of them lets through."""
    return tuple(word.strip() for word in (text or "").replace(";", ",").split(",") if word.strip())


def _url(request: Request, base_url: str, page: int, size: int) -> str:
    others = [(key, value) for key, value in request.query_params.multi_items() if key not in ("page", "per-page")]
    return f"{base_url}{request.url.path}?{urlencode([*others, ('page', page), ('per-page', size)])}"
