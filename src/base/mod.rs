//! What every room of the house uses: errors, files, named random streams, progress, the device.

mod error;
mod files;
mod seed;
mod progress;
pub mod device;

pub use error::{Error, Result};
pub use files::*;
pub use progress::{Progress, say};
pub use seed::{ChaCha8Rng, Seed};
