"""Everything that is decided: folding, quantising, the Program, the emitters. Import its modules, not this."""
