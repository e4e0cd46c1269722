"""A training program as HTML, Markdown, text and CSV."""
