"""What runs inside a sandbox: the guest that serves one job, code, and what probes and trials ask there."""
