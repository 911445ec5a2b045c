//! How a model learns: pretraining, SFT and PPO, with what they share.

pub mod loss;
pub mod optim;
pub mod packing;
pub mod ppo;
pub mod pretrain;
pub mod reward;
pub mod sft;
