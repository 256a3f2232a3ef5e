//! Compares every number with the references in `tests/reference` (made by `export.py` and `spacings.py`).

mod continued;
mod distilled;
mod edm;
mod guidance;
mod moments;
mod noise;
mod observer;
mod reference;
mod samplers;
mod schedules;
mod spacings;
