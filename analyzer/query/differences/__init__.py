"""What two inputs differ in: policies in meaning, verdicts, findings."""
