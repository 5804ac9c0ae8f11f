"""What is made of a results file: text for a terminal, tables for a page, plots."""
