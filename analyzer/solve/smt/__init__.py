"""The reading of the language by Z3, and what else Z3 is asked."""
