"""*Background work* in the admin: what runs, what waits, what failed, on one page."""
