"""The Linux kernel's own means: calls, filters, Landlock, control groups. Standard library only."""
