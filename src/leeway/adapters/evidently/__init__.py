"""Evidently: the page that people open beside ours."""
