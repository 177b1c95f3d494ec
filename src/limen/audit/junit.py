"""An audit as a JUnit file, as Jenkins, GitLab and their like read test results."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from limen.audit.verdict import Verdict

_BARRED = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(verdict: Verdict) -> bytes:
    """Rules and findings as test cases.

    A rule that does not hold is a failure, what stopped the audit an error, and a finding that weakens the
    verdict is skipped, with the reason: so the file fails where the exit code does, and nowhere else.
    """
    suites = ET.Element("testsuites", name="limen audit")
    rules = ET.Element("testsuite", name="rules")
    for each in verdict.rules:
        case = _case(rules, "limen.audit.rules", each.rule.text)
        if not each.holds:
            found = f"found {each.said}" if verdict.done else "the model could not be audited"
            ET.SubElement(case, "failure", type="rule", message=_plain(found)).text = _plain(
                f"{each.rule.text}: {found}"
            )
    findings = ET.Element("testsuite", name="findings")
    for finding in verdict.findings:
        case = _case(findings, f"limen.audit.{finding.of}", f"{finding.key}: {finding.title}")
        if finding.state == "stops":
            ET.SubElement(case, "error", type=finding.key, message=_plain(finding.title)).text = _plain(
                finding.sentence
            )
        elif finding.state == "weakens":
            ET.SubElement(case, "skipped", message=_plain(finding.sentence))
        else:
            ET.SubElement(case, "system-out").text = _plain(finding.sentence)
    for suite in (rules, findings):
        if len(suite):
            _count(suite, suite)
            suites.append(suite)
    _count(suites, *suites)
    del suites.attrib["skipped"]  # the schema of Jenkins has it in each suite alone
    ET.indent(suites)
    return ET.tostring(suites, encoding="utf-8", xml_declaration=True) + b"\n"


def _case(suite: ET.Element, room: str, name: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=room, name=_plain(name), time="0")


def _count(onto: ET.Element, *suites: ET.Element) -> None:
    cases = [case for suite in suites for case in suite.iter("testcase")]
    onto.set("tests", str(len(cases)))
    for name, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        onto.set(name, str(sum(case.find(kind) is not None for case in cases)))
    onto.set("time", "0")


def _plain(text: str) -> str:
    """The text without what XML cannot hold, such as control characters and halves of surrogates."""
    return _BARRED.sub("\N{REPLACEMENT CHARACTER}", text)
