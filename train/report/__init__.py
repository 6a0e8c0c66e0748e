"""The one-page report of a run: numbers, curves and pictures in one HTML file."""
