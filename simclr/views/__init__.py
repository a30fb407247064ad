"""The parts of a view: what is drawn, and the operations that apply it. ``simclr.augment`` puts them together."""
