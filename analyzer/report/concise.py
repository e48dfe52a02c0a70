"""One line for each problem: ``path:line:column: severity[rule] message``, for editors and grep."""

from __future__ import annotations

from analyzer.display import counted
from analyzer.findings import Report, Verdict
from analyzer.report import Format
from analyzer.report.style import Style, safe


def write(report: Report, style: Style) -> str:
    """Refuted and undecided guarantees, causes, findings and gaps, a line each; nothing when all is well."""
    del style
    lines = [
        f"{safe(str(cause.at))}: error[cause] {safe(cause.message)} ({counted(cause.pairs, 'broken pair')})"
        for cause in report.causes
    ]
    for guarantee in report.guarantees:
        if guarantee.fails or guarantee.verdict is Verdict.UNDECIDED:
            place = guarantee.counterexample.at if guarantee.counterexample else None
            lines.append(f"{safe(str(place)) if place else '-'}: {guarantee.verdict}[{guarantee.id}] {safe(guarantee.reason)}")
    lines += [f"{safe(str(item.at))}: {item.severity}[{item.rule}] {safe(item.message)}" for item in report.findings]
    lines += [f"{safe(str(gap.at))}: gap {safe(gap.reason)}" for gap in report.gaps]
    return "".join(line.replace("\n", " ") + "\n" for line in lines)


FORMAT = Format("concise", write, follows_paths=True)
