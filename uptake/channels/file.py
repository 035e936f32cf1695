"""Notices as files: one .eml each, for whoever wants to look before anybody is written to."""

import hashlib
import tempfile
from pathlib import Path

from uptake.channels import Message, Receipt
from uptake.channels.mime import composed
from uptake.errors import Fault, TransientError


class FileChannel:
    """Puts each notice into *directory*, which is made when needed; a repetition replaces its own file."""

    def __init__(self, *, directory: Path, sender: str) -> None:
        self._directory = directory
        self._sender = sender

    def send(self, message: Message) -> Receipt:
        """Write *message*, whole or not at all; a full or missing disk is worth another try."""
        letter, _, _ = composed(message, self._sender)
        path = self._directory / f"{hashlib.sha256(message.key.encode()).hexdigest()[:40]}.eml"
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._directory, suffix=".part", delete=False) as file:
                part = Path(file.name)
                file.write(letter.as_bytes())
            part.replace(path)
        except OSError as error:
            raise TransientError(f"{path.name} cannot be written: {error.strerror}", fault=Fault.INTERNAL) from None
        return Receipt(path.name)
