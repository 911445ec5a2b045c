//! The arms of the study: one recipe each, trained over several seeds.
//!
//! An arm starts from its parent's weights at the same seed, so arms of one seed are paired. The
//! table below is the whole experimental design; sizes and step counts are the tier's
//! (`tier.rs`).

use serde::Serialize;

use crate::base::error::{Error, Result};

/// What is trained, and on what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Recipe {
    /// Next-token prediction on the wild corpus.
    Pretrain,
    /// Supervised fine-tuning on reference programs, `length` long.
    Sft { pool: Pool, length: Length },
    /// PPO on the prompts of `pool`, rewarded by the sandbox (or by a control's reward).
    Rl { pool: Pool, reward: Reward },
}

/// Training problems: Atom_base or not, and the first `composites` chains of Composite_A's
/// training part (so that smaller pools are contained in larger ones).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Pool {
    pub atoms: bool,
    pub composites: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Length {
    /// The common length of the arms of finding 1.
    Full,
    /// Stopped early: the model still fails on some of its own training prompts, so RL has a
    /// signal to learn from.
    Start,
    /// From where `Start` stopped, as many further samples as the RL arms draw.
    More,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reward {
    /// 1 if all hidden cases pass, else 0.
    Tests,
    /// Negative control: the verdicts of a batch, permuted among its answers.
    Shuffled,
    /// Negative control: 1 for any answer that runs to a value of the expected type.
    Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Arm {
    pub name: &'static str,
    pub parent: Option<&'static str>,
    pub recipe: Recipe,
    /// Findings that need the arm.
    pub findings: &'static [u8],
    pub about: &'static str,
}

/// What findings 2 and 3 train on: SFT and RL alike. Not fewer chains: SFT knows 64 by heart within
/// some tens of steps, and what is known by heart gives RL nothing to learn from
/// (`docs/regime.md`, attempt 3).
pub const MIXED: Pool = Pool { atoms: true, composites: 256 };

/// How many training chains the questions about training chains are drawn from, for every arm: the
/// first ones, which all arms with 64 chains or more have trained on.
pub const ASKED_TRAINING_CHAINS: usize = 64;

const fn sft(pool: Pool) -> Recipe {
    Recipe::Sft { pool, length: Length::Full }
}

pub const ARMS: [Arm; 13] = [
    Arm {
        name: "base",
        parent: None,
        recipe: Recipe::Pretrain,
        findings: &[1, 2, 3],
        about: "pretrained on wild code only",
    },
    Arm {
        name: "sft-atoms",
        parent: Some("base"),
        recipe: sft(Pool { atoms: true, composites: 0 }),
        findings: &[1],
        about: "SFT on atoms only",
    },
    Arm {
        name: "sft-composites",
        parent: Some("base"),
        recipe: sft(Pool { atoms: false, composites: 256 }),
        findings: &[1],
        about: "SFT on 256 composites only",
    },
    Arm {
        name: "sft-mix-4",
        parent: Some("base"),
        recipe: sft(Pool { atoms: true, composites: 4 }),
        findings: &[1],
        about: "SFT on atoms and 4 composites",
    },
    Arm {
        name: "sft-mix-16",
        parent: Some("base"),
        recipe: sft(Pool { atoms: true, composites: 16 }),
        findings: &[1],
        about: "SFT on atoms and 16 composites",
    },
    Arm {
        name: "sft-mix-64",
        parent: Some("base"),
        recipe: sft(Pool { atoms: true, composites: 64 }),
        findings: &[1],
        about: "SFT on atoms and 64 composites",
    },
    Arm {
        name: "sft-mix-256",
        parent: Some("base"),
        recipe: sft(Pool { atoms: true, composites: 256 }),
        findings: &[1],
        about: "SFT on atoms and 256 composites",
    },
    Arm {
        name: "sft-start",
        parent: Some("base"),
        recipe: Recipe::Sft { pool: MIXED, length: Length::Start },
        findings: &[2, 3],
        about: "SFT on atoms and 256 composites, stopped early: where RL starts",
    },
    Arm {
        name: "sft-more",
        parent: Some("sft-start"),
        recipe: Recipe::Sft { pool: MIXED, length: Length::More },
        findings: &[2, 3],
        about: "control: SFT continued on the same prompts, as many samples as RL",
    },
    Arm {
        name: "sft-rl",
        parent: Some("sft-start"),
        recipe: Recipe::Rl { pool: MIXED, reward: Reward::Tests },
        findings: &[2],
        about: "SFT, then RL on the same prompts",
    },
    Arm {
        name: "rl-base",
        parent: Some("base"),
        recipe: Recipe::Rl { pool: MIXED, reward: Reward::Tests },
        findings: &[3],
        about: "RL from the base model, no SFT, on the same prompts",
    },
    Arm {
        name: "rl-shuffled",
        parent: Some("sft-start"),
        recipe: Recipe::Rl { pool: MIXED, reward: Reward::Shuffled },
        findings: &[],
        about: "negative control: SFT, then RL with shuffled rewards",
    },
    Arm {
        name: "rl-format",
        parent: Some("sft-start"),
        recipe: Recipe::Rl { pool: MIXED, reward: Reward::Format },
        findings: &[],
        about: "negative control: SFT, then RL rewarded for any answer that runs",
    },
];

/// The arm called `name`.
pub fn arm(name: &str) -> Result<&'static Arm> {
    ARMS.iter().find(|arm| arm.name == name).ok_or_else(|| Error::Unknown {
        kind: "arm or finding",
        name: name.to_owned(),
        known: known_names(),
    })
}

/// The arms that `name` stands for, parents first: an arm's name, `finding1` to `finding3`,
/// `study` (the arms of all three findings) or `controls`.
pub fn select(name: &str) -> Result<Vec<&'static Arm>> {
    let finding = name.strip_prefix("finding").and_then(|digits| digits.parse::<u8>().ok());
    match (name, finding) {
        ("study", _) => Ok(ARMS.iter().filter(|arm| !arm.findings.is_empty()).collect()),
        ("controls", _) => Ok(ARMS.iter().filter(|arm| arm.findings.is_empty()).collect()),
        (_, Some(number @ 1..=3)) => Ok(ARMS.iter().filter(|arm| arm.findings.contains(&number)).collect()),
        _ => Ok(vec![arm(name)?]),
    }
}

fn known_names() -> String {
    let names: Vec<&str> = ARMS.iter().map(|arm| arm.name).collect();
    format!("{}, finding1, finding2, finding3, study, controls", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_come_before_their_children() {
        for (index, arm) in ARMS.iter().enumerate() {
            if let Some(parent) = arm.parent {
                assert!(ARMS[..index].iter().any(|earlier| earlier.name == parent), "{}", arm.name);
            }
        }
    }

    #[test]
    fn an_unknown_arm_is_named_with_the_known_ones() {
        let message = select("sft-atom").unwrap_err().to_string();
        assert!(
            message.contains("`sft-atom`") && message.contains("sft-atoms") && message.contains("finding3")
        );
    }

    #[test]
    fn a_finding_brings_the_arms_it_compares() {
        let names = |name: &str| select(name).unwrap().iter().map(|arm| arm.name).collect::<Vec<_>>();
        assert_eq!(names("finding2"), ["base", "sft-start", "sft-more", "sft-rl"]);
        assert_eq!(names("sft-atoms"), ["sft-atoms"]);
        assert!(select("finding4").is_err());
    }
}
