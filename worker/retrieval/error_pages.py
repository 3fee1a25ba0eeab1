"""Messages of web servers that were saved in place of a report, told by their headings."""

import re

_STATUS = r"(?:4[0-5]\d|5[0-2]\d)"
_REASON = (
    r"error\b|(?:[a-z]+ ){0,4}not found|bad (?:request|gateway)|unauthori[sz]ed|authorization required|forbidden|gone"
    r"|(?:request|gateway|connection) time(?:d |-)?out|internal (?:server )?error"
)
_ERROR_HEADING = re.compile(
    # What servers say, wherever it stands in a heading.
    r"\brate (?:threshold|limit) exceeded|\btoo many requests\b|\baccess (?:is )?denied\b|\b(?:page|file) not found\b"
    r"|\bservice (?:is )?(?:temporarily )?unavailable\b|\bbad gateway\b|\bgateway time-?out\b|\binternal server error\b"
    r"|\bundeclared automated tool\b"
    # Words that names hold as well are a whole heading, or all before a separator.
    r"|^(?:not found|forbidden|unauthori[sz]ed|just a moment|attention required)[.!…]*(?:$|\s+[|:–—-])"
    # A status is the whole heading, or stands between the word for it and the reason: `S&P 500` and `401(k)` do not.
    rf"|^{_STATUS}\.?$|\b(?:https?(?:/[\d.]+)?|error)(?:[\s:/-]+(?:error|status|code))*[\s:/-]+{_STATUS}\b"
    rf"|(?:^|\s[|:–—-]\s){_STATUS}(?:\.\d+)?[\s:.,|(–—-]+(?:{_REASON})",
    re.I,
)


def is_error_heading(heading: str) -> bool:
    """Return whether a page's title or first heading is a server's message, such as `404 Not Found`."""
    return _ERROR_HEADING.search(heading) is not None
