"""The arithmetics a bundle may hold: fp32, fp16 and int8, and what each needs."""
