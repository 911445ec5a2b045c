//! What every room of the house uses: errors, named random streams, progress, the device.

pub mod device;
pub mod error;
pub mod progress;
pub mod seed;
