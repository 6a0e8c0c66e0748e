"""The machine a run uses: device, precision, threads, and several processes as one."""
