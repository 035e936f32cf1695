"""Whether a port can be listened on, asked before anything is started."""

import errno
import socket

from worker.embedded import SetupError


def port_is_free(host: str, port: int) -> bool:
    """Say whether a server could listen there now; anything but a taken port in the way raises SetupError."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            # As servers do: connections of the one before, still closing, are not in the way.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror as error:
        raise SetupError(f"{host} is not an address that can be listened on: {error.strerror}.") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return False
        if error.errno in {errno.EACCES, errno.EPERM}:
            raise SetupError(f"Port {port} is reserved for root; choose one above 1023.") from error
        raise SetupError(f"{host} port {port} cannot be listened on: {error.strerror}.") from error
    return True


def require_port(host: str, port: int, setting: str) -> None:
    """Raise SetupError naming *setting*, which moves the port elsewhere, when somebody listens there already."""
    if not port_is_free(host, port):
        raise SetupError(
            f"Port {port} on {host} is taken by another program; stop that one or set {setting} to a free port."
        )
