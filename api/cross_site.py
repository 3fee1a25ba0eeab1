"""What web pages of other origins have browsers send: where no key guards the service, it may change nothing."""

from starlette.datastructures import Headers

from api.request_errors import CrossSiteError

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_SITE = "Sec-Fetch-Site"
_ORIGIN = "Origin"
# From a page of the service itself, or from no page at all, such as an address bar.
_OWN_SITES = frozenset({"same-origin", "none"})
_MOST_CHARACTERS = 128


def check_sender(method: str, headers: Headers) -> None:
    """Raise CrossSiteError if a page of another origin had a browser send a request that may change something.

    Browsers tell in Sec-Fetch-Site, older ones in Origin alone, whose page asked, and no page can write either of them;
    programs send neither. (Fetch Metadata's resource isolation policy: https://web.dev/articles/fetch-metadata.)
    """
    if method in SAFE_METHODS:
        return
    if site := headers.get(_SITE):
        if site not in _OWN_SITES:
            raise _refusal(_SITE, site)
        return
    origin = headers.get(_ORIGIN)
    if origin and origin.partition("://")[2].lower() != headers.get("host", "").lower():
        raise _refusal(_ORIGIN, origin)


def _refusal(header: str, value: str) -> CrossSiteError:
    return CrossSiteError(
        f"A web page of another origin sent this ({header}: {value[:_MOST_CHARACTERS]}); without API keys such pages "
        "may change nothing here. Use the service's own page or a program, or set FINANCELLM_API_KEY_HASHES; a proxy "
        "in front must pass on the Host header.",
        header,
    )
