"""Everything that people read: the terminal, tables, plots, reports, exports to other tools."""
