"""The folder of templates: each file that cannot be used is told of, and none of them is ever in the way."""

import os
from pathlib import Path

import pytest

from config.policy_file import load_file
from tasks.rules import written
from tasks.template_folder import TemplateFolder, read_templates
from uptake.template_mistakes import LARGEST


def told(folder: Path) -> list[str]:
    """The mistakes, without the folder's own place."""
    return [line.replace(f"{folder}/", "") for one in read_templates(folder).broken for line in one.lines]


def test_templates_are_read(tmp_path: Path) -> None:
    """By name, whatever the ends of their lines; a mark at the beginning and hidden files are passed over."""
    (tmp_path / "reminder.txt").write_bytes(b"\xef\xbb\xbf$app\r\n\r\n$how\r")
    (tmp_path / "reminder.de.html").write_text("<p>$app für Sie</p>\n", encoding="utf-8")
    (tmp_path / ".reminder.txt.swp").write_bytes(b"\xff")
    found = read_templates(tmp_path)
    assert found.texts == {"reminder.txt": "$app\n\n$how\n", "reminder.de.html": "<p>$app für Sie</p>\n"}
    assert found.broken == ()


def test_every_mistake_by_file_and_line(tmp_path: Path) -> None:
    """In the order of names; the sound ones are used all the same."""
    (tmp_path / "digest.txt").write_bytes(b"a\nb\n\xff")
    (tmp_path / "digest.subject").mkdir()
    (tmp_path / "reminder.html").write_bytes(b"\xc3" + "é".encode() * (LARGEST // 2))
    (tmp_path / "reminder.it.txt").write_text("ciao")
    (tmp_path / "reminder.subject").write_text("$ap")
    (tmp_path / "reminder.text").write_text("x")
    (tmp_path / "reminder.txt").write_text("x")
    assert [line.partition(";")[0] for line in told(tmp_path)] == [
        "digest.subject: is no file",
        "digest.txt:3: is not UTF-8 text",
        "reminder.html: is larger than 64 kB",
        "reminder.it.txt: is in a language that we have no words in",
        "reminder.subject:1: $ap is no placeholder here",
        "reminder.text: is no name of a template",
    ]
    assert set(read_templates(tmp_path).texts) == {"reminder.txt", "reminder.it.txt"}


@pytest.mark.parametrize("size", range(LARGEST, LARGEST + 4))
def test_a_large_file_is_not_cut(tmp_path: Path, size: int) -> None:
    """One that just fits is used whole, and a larger one not at all, wherever its characters end."""
    text = "x" * (size - 30) + "é" * 15
    (tmp_path / "reminder.txt").write_text(text, encoding="utf-8")
    assert read_templates(tmp_path).texts == ({"reminder.txt": text} if size == LARGEST else {})


def test_what_would_never_answer(tmp_path: Path) -> None:
    """A pipe that nobody writes to keeps nobody waiting."""
    os.mkfifo(tmp_path / "reminder.txt")
    assert told(tmp_path) == ["reminder.txt: is no file"]


def test_what_cannot_be_read(tmp_path: Path) -> None:
    """A link that leads nowhere, a folder that is not there, or is none."""
    (tmp_path / "reminder.txt").symlink_to(tmp_path / "reminder.txt")
    (line,) = told(tmp_path)
    assert line == "reminder.txt: is no file" or line.startswith("reminder.txt: cannot be read: ")
    (absent,) = read_templates(tmp_path / "absent").broken
    assert absent.lines == [f"{tmp_path}/absent: cannot be read: No such file or directory"]
    assert absent.content
    assert read_templates(None) == TemplateFolder()


def test_what_stands_for_a_mistake(tmp_path: Path) -> None:
    """Other content is another mistake; a file that is no template makes nothing be built in."""
    (tmp_path / "notes.md").write_text("x")
    (tmp_path / "reminder.txt").write_text("$ap")
    stranger, first = read_templates(tmp_path).broken
    assert (stranger.content, bool(first.content)) == ("", True)
    (tmp_path / "reminder.txt").write_text("$apq")
    assert read_templates(tmp_path).broken[1].content != first.content


def test_folder_of_the_rules(tmp_path: Path) -> None:
    """It starts from the file's own folder; a broken template is no mistake in the file."""
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "reminder.txt").write_text("$app")
    (tmp_path / "words" / "reminder.html").write_text("$ap")
    file = tmp_path / "uptake.toml"
    file.write_text('[templates]\nfolder = "words"\n')
    found = written(load_file(file)).templates
    assert found.texts == {"reminder.txt": "$app"}
    assert [one.path for one in found.broken] == [tmp_path / "words" / "reminder.html"]
    file.write_text("")
    assert written(load_file(file)).templates == TemplateFolder()
