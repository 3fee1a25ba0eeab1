"""What can be wrong with a request before any route has read it."""

from common.errors import RequestError


class MalformedBodyError(RequestError):
    """The body is not JSON as RFC 8259 defines it."""

    code = "malformed_body"


class MalformedHeaderError(RequestError):
    """A header that this route reads does not follow its grammar."""

    code = "malformed_header"


class UnsupportedMediaTypeError(RequestError):
    """The body is not declared as JSON."""

    code = "unsupported_media_type"


class BodyTimeoutError(RequestError):
    """The body did not arrive in time."""

    code = "body_timeout"


class HeadersTooLargeError(RequestError):
    """The request's headers pass the limit."""

    code = "headers_too_large"


class WrongHostError(RequestError):
    """The Host header names a service this is not."""

    code = "wrong_host"


class CrossSiteError(RequestError):
    """A web page of another origin had a browser send what may change something."""

    code = "cross_site_request"
