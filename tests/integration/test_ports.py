"""Ports that are free, taken or not ours to take."""

import socket

import pytest

from worker.embedded import SetupError
from worker.ports import port_is_free, require_port


def test_taken_port_is_named_with_its_setting() -> None:
    """Where somebody listens, one sentence names the port and what moves it; afterwards it is free."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(SetupError, match=rf"^Port {port} on 127\.0\.0\.1 is taken .* UPTAKE_DASHBOARD_PORT"):
            require_port("127.0.0.1", port, "UPTAKE_DASHBOARD_PORT")
    assert port_is_free("127.0.0.1", port)


def test_foreign_address_is_not_called_taken() -> None:
    """An address of another machine is another mistake than a taken port."""
    with pytest.raises(SetupError, match=r"^203\.0\.113\.1 port 8000 cannot be listened on"):
        require_port("203.0.113.1", 8000, "UPTAKE_DASHBOARD_PORT")
