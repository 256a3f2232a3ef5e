//! Every number against the references in `tests/reference` (see `export.py` and `spacings.py` there).

mod guidance;
mod moments;
mod noise;
mod observer;
mod reference;
mod samplers;
mod schedules;
mod spacings;
