"""The report: what the stages wrote, gathered into one metrics file, pictures and one self-contained page."""
