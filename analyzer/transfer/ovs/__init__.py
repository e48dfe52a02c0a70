"""Open vSwitch in the language: its pipelines, run on what is known."""
