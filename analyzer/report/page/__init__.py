"""The report as one page that works offline, in parts; ``analyzer/report/html.py`` puts them together."""
