"""`python -m api.healthcheck`: exit code 0 if the gateway of this machine answers, for container health checks."""

import http.client
import os
import sys

TIMEOUT_S = 3.0


def is_alive(port: int) -> bool:
    """Tell whether the gateway on a loopback port answers /livez, be it with a refusal of the host name."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().status < http.client.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(not is_alive(int(os.environ.get("FINANCELLM_API_PORT") or os.environ.get("PORT") or 8000)))
