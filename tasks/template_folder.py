"""The folder of templates that uptake.toml names: read once, and what is wrong with it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from uptake.template_mistakes import LARGEST, NAME, TOO_LARGE, Mistake, mistakes
from uptake.templates import NO_TEMPLATES, Templates, examined


@dataclass(frozen=True, slots=True)
class Broken:
    """A file that cannot be used, or the whole folder, and why."""

    path: Path
    wrong: tuple[Mistake, ...]
    content: str  # stands for what is in it; "": it is no template of ours, so that nothing is built in because of it

    @property
    def lines(self) -> list[str]:
        """The mistakes, each with its file and its line, if it is on one."""
        return [f"{self.path}:{line}: {said}" if line else f"{self.path}: {said}" for line, said in self.wrong]


class TemplateFolder(NamedTuple):
    """The templates that messages are made by, and the files that are none."""

    texts: Templates = NO_TEMPLATES
    broken: tuple[Broken, ...] = ()


def read_templates(folder: Path | None) -> TemplateFolder:
    """What is in *folder*; whatever is wrong with it is told as a mistake, and never raised."""
    if folder is None:
        return TemplateFolder()
    try:
        # Hidden files are the file system's own, or an editor's.
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        return TemplateFolder(broken=(_unread(folder, error),))
    found = [_read(path) for path in paths]
    texts = {path.name: text for path, text in zip(paths, found, strict=True) if isinstance(text, str)}
    broken = [one for one in found if isinstance(one, Broken)]
    broken += [Broken(folder / name, wrong, _digest(texts[name].encode())) for name, wrong in examined(texts).items()]
    sound = {name: text for name, text in texts.items() if not mistakes(name, text)}
    return TemplateFolder(sound, tuple(sorted(broken, key=lambda one: one.path)))


def _read(path: Path) -> str | Broken:
    if not NAME.fullmatch(path.name):
        return Broken(path, mistakes(path.name, ""), "")
    try:
        # What is no file might keep whoever opens it waiting.
        if not path.is_file():
            return Broken(path, (Mistake(0, "is no file"),), "no file")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            return Broken(path, (Mistake(0, TOO_LARGE),), _digest(content))
        # Some editors begin UTF-8 with a mark of their own.
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except OSError as error:
        return _unread(path, error)
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        return Broken(path, (Mistake(line, "is not UTF-8 text; save it as UTF-8"),), _digest(error.object))


def _unread(path: Path, error: OSError) -> Broken:
    said = f"cannot be read: {error.strerror}"
    return Broken(path, (Mistake(0, said),), said)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
