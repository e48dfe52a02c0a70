"""The parts of ``suggestion.py``: what is wanted, sets of pods as selectors, sets of addresses as blocks, policies, their text, and the proof."""
