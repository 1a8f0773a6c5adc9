"""Everything that is written out, as Jinja templates. Loops over fields; never arithmetic."""
