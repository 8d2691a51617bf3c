"""Every service at its vendor's twin, behind one small face: for tests that hold all of them to the same promises."""
