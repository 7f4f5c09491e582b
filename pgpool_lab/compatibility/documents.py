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

ASKED = "asked"
"""Property of a test in which a version's sample or binary judges what the lab renders: its `Judge` as JSON."""

LAB = "lab"
"""Property of a session of live tests: the `Subject` lab as JSON."""


class Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Judge(Document):
    """What can say whether a configuration is valid for its version."""

    program: Literal["pgpool", "postgresql"]
    version: str
    by: Literal["sample", "binary"]
    """`sample`: every parameter stands in that release's own sample files; `binary`: its program has read the file."""


class Asked(Document):
    """A judge was given the configurations that the lab renders for its version."""

    kind: Literal["asked"] = "asked"
    judge: Judge
    refused: tuple[str, ...]
    """The tests in which it took exception; empty: it accepted everything."""

    @property
    def name(self) -> str:
        return f"asked.{self.judge.program}.{self.judge.version}"


class Subject(Document):
    """What was under test live."""

    stack: str
    nodes: int
    distribution: str
    postgresql: str
    pgpool: str
    preset: str
    commit: str = "unknown"
    """The checkout that was tested; with `-dirty` when tracked files were changed."""


class Live(Document):
    """What sessions of live tests came to: the last result of each test."""

    kind: Literal["live"] = "live"
    lab: Subject
    """As the last session had it."""
    passed: tuple[str, ...]
    failed: tuple[str, ...]
    earlier: tuple[str, ...] = ()
    """The commits of earlier sessions of which some results stand."""

    @property
    def name(self) -> str:
        lab = self.lab
        return f"live.{lab.stack}.{lab.distribution}.{lab.postgresql}.{lab.pgpool}.{lab.preset}"

    def after(self, before: Live) -> Live:
        """With what an earlier session said of the tests that this one did not run."""
        ran = {*self.passed, *self.failed}
        passed, failed = (tuple(test for test in tests if test not in ran) for tests in (before.passed, before.failed))
        if not passed and not failed:
            return self
        return Live(
            lab=self.lab,
            passed=tuple(sorted((*self.passed, *passed))),
            failed=tuple(sorted((*self.failed, *failed))),
            earlier=tuple(dict.fromkeys((*before.earlier, before.lab.commit))),
        )


Report = Annotated[Asked | Live, Field(discriminator="kind")]
REPORT: TypeAdapter[Asked | Live] = TypeAdapter(Report)


def of_junit(file: Path) -> list[Asked | Live]:
    """What a JUnit report says of versions. Raises LabError that names a file which is none."""
    try:
        suites = list(ElementTree.parse(file).getroot().iter("testsuite"))
    except (OSError, ElementTree.ParseError) as error:
        raise LabError(f"{file} is no report of tests: {error}", "give the XML files of a run of ./lab test") from None
    return [*asked(suites), *live(suites)]


def asked(suites: Iterable[ElementTree.Element]) -> list[Asked | Live]:
    """One document for each judge that was asked."""
    refused: dict[Judge, set[str]] = {}
    for suite in suites:
        for case in suite.iter("testcase"):
            for value in properties(case, ASKED):
                against = refused.setdefault(Judge.model_validate_json(value), set())
                against |= set() if went_well(case) else {plain(case)}
    return [Asked(judge=judge, refused=tuple(sorted(tests))) for judge, tests in refused.items()]


def live(suites: Iterable[ElementTree.Element]) -> list[Asked | Live]:
    """One document for each suite that ran on a lab."""
    found: list[Asked | Live] = []
    for suite in suites:
        for value in properties(suite, LAB):
            # pytest names no test that was broken off.
            cases = [case for case in suite.iter("testcase") if plain(case) and case.find("skipped") is None]
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


def store(folder: Path, reports: Sequence[Asked | Live]) -> list[Path]:
    """Write the documents, each in place of an earlier one of the same name; gives the files.

    Of live tests an earlier result stands until the same test is run again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    there = {report.name: report for report in load(folder)}
    files = []
    for report in reports:
        before = there.get(report.name)
        if isinstance(report, Live) and isinstance(before, Live):
            report = report.after(before)
        files.append(file := folder / f"{report.name}.json")
        file.write_text(json.dumps(report.model_dump(), indent=1) + "\n")
    return files


def load(folder: Path) -> list[Asked | Live]:
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
