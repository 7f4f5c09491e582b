"""What tests reported of versions, as JSON documents that are committed.

The tests say it in their JUnit report, as properties: which version's own sample or binary accepted a configuration,
and on which versions' lab a live test ran.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal
from xml.etree import ElementTree

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from pgpool_lab.errors import LabError

ACCEPTED = "accepted"
"""Property of a test in which a version's sample or binary accepted what the lab renders: an `Accepted` as JSON."""

LAB = "lab"
"""Property of a session of live tests: the `Subject` lab as JSON."""


class Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Accepted(Document):
    """A version of one program took every configuration that the lab renders for it."""

    kind: Literal["accepted"] = "accepted"
    program: Literal["pgpool", "postgresql"]
    version: str
    by: Literal["sample", "binary"]
    """`sample`: every parameter stands in that release's own sample files; `binary`: its program has read the file."""

    @property
    def name(self) -> str:
        return f"accepted.{self.program}.{self.version}"


class Subject(Document):
    """What was under test live."""

    stack: str
    nodes: int
    distribution: str
    postgresql: str
    pgpool: str
    preset: str


class Live(Document):
    """What a session of live tests came to."""

    kind: Literal["live"] = "live"
    lab: Subject
    passed: tuple[str, ...]
    failed: tuple[str, ...]

    @property
    def name(self) -> str:
        lab = self.lab
        return f"live.{lab.stack}.{lab.distribution}.{lab.postgresql}.{lab.pgpool}.{lab.preset}"


Report = Annotated[Accepted | Live, Field(discriminator="kind")]
REPORT: TypeAdapter[Accepted | Live] = TypeAdapter(Report)


def of_junit(file: Path) -> list[Accepted | Live]:
    """What a JUnit report says of versions. Raises LabError that names a file which is none."""
    try:
        suites = list(ElementTree.parse(file).getroot().iter("testsuite"))
    except (OSError, ElementTree.ParseError) as error:
        raise LabError(f"{file} is no report of tests: {error}", "give the XML files of a run of ./lab test") from None
    return [*accepted(suites), *live(suites)]


def accepted(suites: Iterable[ElementTree.Element]) -> list[Accepted | Live]:
    """Versions that accepted everything that they were asked about; one that refused anything is not among them."""
    asked = [
        (Accepted.model_validate_json(value), went_well(case))
        for suite in suites
        for case in suite.iter("testcase")
        for value in properties(case, ACCEPTED)
    ]
    refused = {one.name for one, passed in asked if not passed}
    return [one for one in dict.fromkeys(one for one, _ in asked) if one.name not in refused]


def live(suites: Iterable[ElementTree.Element]) -> list[Accepted | Live]:
    """One document for each suite that ran on a lab."""
    found: list[Accepted | Live] = []
    for suite in suites:
        for value in properties(suite, LAB):
            cases = [case for case in suite.iter("testcase") if case.find("skipped") is None]
            passed = sorted({plain(case) for case in cases if went_well(case)})
            failed = sorted({plain(case) for case in cases if not went_well(case)})
            found.append(Live(lab=Subject.model_validate_json(value), passed=tuple(passed), failed=tuple(failed)))
    return found


def properties(element: ElementTree.Element, name: str) -> list[str]:
    """Values of an element's own properties."""
    return [one.get("value", "") for one in element.findall("properties/property") if one.get("name") == name]


def went_well(case: ElementTree.Element) -> bool:
    return all(case.find(word) is None for word in ("failure", "error", "skipped"))


def plain(case: ElementTree.Element) -> str:
    """A test's name; pytest writes control characters of a parameter as `#x1B`, which nobody needs here."""
    return re.sub(r"#x[0-9A-F]{2}", "", case.get("name", ""))


def store(folder: Path, reports: Sequence[Accepted | Live]) -> list[Path]:
    """Write the documents, each in place of an earlier one of the same name; gives the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for report in reports:
        files.append(file := folder / f"{report.name}.json")
        file.write_text(json.dumps(report.model_dump(), indent=1) + "\n")
    return files


def load(folder: Path) -> list[Accepted | Live]:
    """The documents of a folder in the order of their names. Raises LabError that names a file which is none."""
    found = []
    for file in sorted(folder.glob("*.json")):
        try:
            found.append(REPORT.validate_json(file.read_text()))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the file"
            raise LabError(
                f"{file} is no report of versions: {where}: {first['msg']}", "restore it with git, or remove it"
            ) from None
    return found
