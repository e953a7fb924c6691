"""Widgets that compute in the browser: live in a notebook, and on the website without a kernel."""

from nodelib.widgets.euler_polygon import EulerPolygon

__all__ = ["EulerPolygon"]
