"""Messages that wait in the project's database until they are sent: those of a transaction, and those of the far future."""
