"""Contact books: what spreadsheets write is read, and every mistake is told by line and column."""

from pathlib import Path

import pytest

from config.contact_book import Entry, read_book
from config.settings import SettingsError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A book that is not there yet."""
    return tmp_path / "book.csv"


def read(file: Path, text: str, *, encoding: str = "utf-8") -> list[Entry]:
    """What a book with this *text* holds."""
    file.write_bytes(text.encode(encoding))
    return read_book(file)


def told(file: Path, text: str) -> str:
    """What is said of *text*; the file's folder is left out."""
    with pytest.raises(SettingsError) as refused:
        read(file, text)
    return str(refused.value).replace(f"{file.parent}/", "")


def test_a_whole_row(file: Path) -> None:
    """All columns, in any order and case, with quotes, line breaks of any kind, and an empty line between."""
    entry, other = read(
        file,
        "E-Mail,Tenant,Name,Role,May accept,Time zone,Locale,Labels,Source\r\n"
        '"Ada@Bright.example",0042,"Lovelace, Ada",Office manager,no,America/Chicago,en-US,tier=gold region=us,acme'
        "\r\n\r\n"
        "bob@bright.example,0042,,,,,,,\r\n".replace("E-Mail", "email"),
    )
    assert entry == Entry(
        source="acme",
        tenant="0042",
        email="ada@bright.example",
        name="Lovelace, Ada",
        role="Office manager",
        may_accept=False,
        time_zone="America/Chicago",
        locale="en-US",
        labels={"tier": "gold", "region": "us"},
    )
    assert other == Entry(tenant="0042", email="bob@bright.example")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separators(file: Path, separator: str) -> None:
    """A spreadsheet separates by what its country does, and may begin with a mark."""
    (entry,) = read(file, f"\ufefftenant{separator}email\n1{separator}ada@bright.example\n")
    assert (entry.tenant, entry.email) == ("1", "ada@bright.example")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "book.csv:1: the first row has to name the columns, and lacks tenant and email; there may be: source"),
        ("tenant,name\n", "lacks email"),
        ("tenant,email,nmae\n", 'book.csv:1: nmae is not a known column; did you mean "name"?'),
        ("tenant,email,\n", "book.csv:1: a column without a name is not a known column"),
        ("tenant,email,email\n", "book.csv:1: names the column email twice."),
        ("tenant,email\n", "book.csv: there is no contact in it"),
        ("tenant,email\n1,ada@b.example,x\n", "book.csv:2: has more cells than the first row has names."),
        ('tenant,email\n1,"ada\n', "book.csv:2: is not CSV"),
        ("tenant,email\n,ada@b.example\n", "book.csv:2: tenant: is empty"),
        ("tenant,email\n1,\n", "book.csv:2: email: is empty"),
        ("tenant,email\n1,ada\n", "book.csv:2: email: 'ada' is not a mail address"),
        ("tenant,email\n1,Ada <ada@b.example>\n", "write name@host and nothing else"),
        ('tenant,email\n1,"a@b.example, c@d.example"\n', "is not a mail address"),
        ("tenant,email,may_accept\n1,a@b.example,perhaps\n", "book.csv:2: may_accept: must be yes or no"),
        (
            "tenant,email,time_zone\n1,a@b.example,EST5EDT4\n",
            "time_zone: 'EST5EDT4' is no time zone; write one such as",
        ),
        ("tenant,email,locale\n1,a@b.example,english\n", "book.csv:2: locale: must look like"),
        (f"tenant,email,name\n1,a@b.example,{'x' * 201}\n", "name: is longer than 200 characters"),
        ("tenant,email,name\n1,a@b.example,a\x07b\n", "name: holds characters that cannot be shown"),
        (
            "tenant,email\n1,a@b.example\n2,a@b.example\n1,A@B.example\n",
            "book.csv:4: email: a@b.example stands in line 2",
        ),
        (
            "tenant,email,time_zone\n1,a@b.example,Europe/Paris\n1,c@b.example,Europe/Rome\n",
            "book.csv:3: time_zone: the tenant's is Europe/Paris in line 2",
        ),
        (
            "tenant,email,labels\n1,a@b.example,tier=gold region=us\n1,c@b.example,tier=gold\n",
            "book.csv:3: labels: the tenant's is tier=gold region=us in line 2",
        ),
        (
            "tenant,email,labels\n1,a@b.example,gold\n",
            "book.csv:2: labels: must be pairs such as tier=gold, with spaces",
        ),
        ("tenant,email,labels\n1,a@b.example,Tier=gold\n", "book.csv:2: labels: must look like ^[a-z]"),
    ],
)
def test_mistakes(file: Path, text: str, said: str) -> None:
    """Each is told where it stands, with what to do."""
    assert said in told(file, text)


def test_many_mistakes(file: Path) -> None:
    """The first twenty are told in order, and how many there are besides; nothing of the book is taken."""
    said = told(file, "tenant,email\n" + "1,nobody\n" * 30).splitlines()
    assert [line.split(":")[1] for line in said[:20]] == [str(line) for line in range(2, 22)]
    assert said[20:] == ["... and 10 more.", "Nothing was imported."]


def test_other_encodings(file: Path) -> None:
    """Bytes that are no UTF-8 are refused with the mend, and so is a file that is not there."""
    with pytest.raises(SettingsError, match='save it as "CSV UTF-8"'):
        read(file, "tenant,email,name\n1,a@b.example,Zoë\n", encoding="latin-1")
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        read_book(file.parent / "none.csv")


def test_formulas_are_text(file: Path) -> None:
    """What a spreadsheet would run is a name like any other."""
    (entry,) = read(file, "tenant,email,name\n1,a@b.example,\"=cmd|' /C calc'!A0<script>\"\n")
    assert entry.name == "=cmd|' /C calc'!A0<script>"
