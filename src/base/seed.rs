//! One `u64` gives every random number of a run, through *named streams*.
//!
//! A stream is addressed by its path of names, not by how many numbers were drawn before it:
//! `seed.child("ppo").child_index(17).stream("noise")` is the noise of step 17 whether or not
//! steps 0 to 16 ran in this process. That is why a resumed run equals an uninterrupted one, and
//! why no generator state is ever saved.

use rand::SeedableRng;
pub use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// A root of random streams, or a branch: see the head of this file for how streams are addressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seed(u64);

impl Seed {
    /// The root of a run, or of a data set.
    pub fn new(seed: u64) -> Self {
        Seed(seed)
    }

    /// The `u64` behind the seed, for records and hashes.
    pub fn value(self) -> u64 {
        self.0
    }

    /// A new seed, independent of this one and of every child with another name.
    pub fn child(self, name: &str) -> Seed {
        let digest = self.digest(name, b'c');
        let mut first = [0u8; 8];
        first.copy_from_slice(&digest[..8]);
        Seed(u64::from_le_bytes(first))
    }

    /// `child` for numbered things: steps, rows, problems.
    pub fn child_index(self, index: u64) -> Seed {
        self.child(&format!("#{index}"))
    }

    /// The generator with this name. Two calls give the same numbers.
    pub fn stream(self, name: &str) -> ChaCha8Rng {
        ChaCha8Rng::from_seed(self.digest(name, b's'))
    }

    fn digest(self, name: &str, domain: u8) -> [u8; 32] {
        let hasher = Sha256::new().chain_update(self.0.to_le_bytes());
        hasher.chain_update([domain]).chain_update(name).finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn streams_repeat_and_differ_by_name() {
        let seed = Seed::new(7);
        let draw = |name: &str| seed.stream(name).random::<u64>();
        assert_eq!(draw("weights"), draw("weights"));
        assert_ne!(draw("weights"), draw("noise"));
        assert_ne!(Seed::new(8).stream("weights").random::<u64>(), draw("weights"));
        assert_ne!(seed.child("a"), seed.child("b"));
        assert_ne!(seed.child_index(1), seed.child_index(2));
    }
}
