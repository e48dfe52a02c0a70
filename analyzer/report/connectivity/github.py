"""What can be reached from outside, as ``check`` writes its findings in this format."""

from __future__ import annotations

from analyzer.report.connectivity._told import told_as

FORMAT = told_as("github")
