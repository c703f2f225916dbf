"""A package, so that pytest ends its fixtures, and with them the browser, when its last test has run."""
