"""The routes: HTTP in and out. One module for each noun; the work is done elsewhere."""
