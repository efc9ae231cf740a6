"""Tables of results, and how each is written: terminal, Markdown, CSV and JSON."""
