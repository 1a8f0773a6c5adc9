"""Everything that executes an artefact and hands numbers back. Import its modules, not this."""
