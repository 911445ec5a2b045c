//! What every room of the house uses: errors, files, named random streams, progress, the device.

pub mod device;
pub mod error;
pub mod files;
pub mod progress;
pub mod seed;
