"""The receiver that needs no set-up."""

from structlog.testing import capture_logs

from uptake.channels import Message
from uptake.channels.log import LogChannel


def test_log_channel() -> None:
    """A notice becomes one line of the log, without the addressee."""
    with capture_logs() as lines:
        receipt = LogChannel().send(Message(key="k1", to="a.person@acme.example", subject="3 lag", text="Who: …"))
    assert receipt.answer == "logged"
    assert lines == [{"event": "notice.logged", "log_level": "info", "key": "k1", "subject": "3 lag", "text": "Who: …"}]
