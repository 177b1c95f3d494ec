"""The JUnit file: what Jenkins and GitLab read, whatever stands in names."""

from __future__ import annotations

import math
from xml.etree import ElementTree as ET

from limen.analysis import Measured
from limen.audit import Finding, Judged, Plan, Verdict, read_rule
from limen.audit.junit import junit

NOTHING = Measured(math.nan, math.nan, math.nan)
EVIL = 'a <b> & "c" \x00\x1b ]]> \udce4'
FINDINGS = (
    Finding("fine", "Fine", "sound", "All is well."),
    Finding("weak", f"Weak {EVIL}", "weakens", EVIL, "Mend it."),
    Finding("over", "Over", "stops", EVIL, of="attacks"),
)


def parsed(rules=(), findings=FINDINGS) -> ET.Element:
    plan = Plan(asked={"model": "m", "data": "d"}, effort="quick", images=1, of=1)
    judged = tuple(Judged(read_rule(text), NOTHING, holds) for text, holds in rules)
    return ET.fromstring(junit(Verdict(plan, None, findings, judged)))


def test_rules_and_findings_are_test_cases_with_one_outcome_each():
    suites = parsed([("findings<=0", True), ("clean_accuracy>=0.7", False)])
    cases = {case.get("name", "").partition(":")[0]: case for case in suites.iter("testcase")}
    outcomes = {name: [each.tag for each in case] for name, case in cases.items()}
    assert outcomes == {
        "findings<=0": [],
        "clean_accuracy>=0.7": ["failure"],
        "fine": ["system-out"],
        "weak": ["skipped"],
        "over": ["error"],
    }
    assert cases["over"].get("classname") == "limen.audit.attacks"


def test_the_counts_are_those_of_the_cases():
    suites = parsed([("clean_accuracy>=0.7", False)])
    assert [suites.get(name) for name in ("tests", "failures", "errors")] == ["4", "1", "1"]
    for suite in suites:
        assert suite.get("tests") == str(len(suite.findall("testcase")))
        for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert suite.get(name) == str(len(suite.findall(f"testcase/{tag}")))


SCHEMA = {
    "testsuites": ({"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": ({"name", "tests", "failures", "errors", "time", "skipped"}, {"testcase"}),
    "testcase": ({"name", "classname", "time"}, {"skipped", "error", "failure", "system-out"}),
    "skipped": ({"message"}, set()),
    "error": ({"type", "message"}, set()),
    "failure": ({"type", "message"}, set()),
    "system-out": (set(), set()),
}
"""Of the schema that Jenkins checks by, the attributes and elements that an audit uses, by the element."""


def test_there_is_what_the_schema_of_jenkins_has_and_nothing_else():
    for element in parsed([("clean_accuracy>=0.7", False)]).iter():
        attributes, inside = SCHEMA[element.tag]
        assert set(element.attrib) == attributes
        assert {each.tag for each in element} <= inside


def test_text_that_xml_cannot_hold_is_replaced():
    (skipped,) = parsed().iter("skipped")
    assert (
        'a <b> & "c" \N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER} ]]> \N{REPLACEMENT CHARACTER}'
        in str(skipped.get("message"))
    )
