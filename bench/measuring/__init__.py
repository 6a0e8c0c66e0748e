"""What every measurement needs: options, timing, memory, a process of its own."""
