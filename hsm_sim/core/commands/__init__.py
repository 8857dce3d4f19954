"""Host commands: the table, a file of rows per family, and the reading and writing of frames."""
