"""Speech to text: Whisper in a process of its own, with limits on time and memory; needs the extra ``speech``."""
