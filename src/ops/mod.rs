//! Fused CPU kernels behind candle's custom operations, each with its composed reference.

mod adam;

pub(crate) use adam::{AdamUpdate, square_sum};
