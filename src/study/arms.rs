//! The arms of the study, read from `data/arms.toml`: that file is the whole experimental design.

use std::path::Path;

use itertools::Itertools;
use serde::{Deserialize, Serialize};

use crate::base::{Error, Result, read_toml};
use crate::train::{Baseline, Reward};

/// What is trained, and on what: each variant is one method (`run.rs`), and its fields are those of
/// `data/arms.toml`, whose head says what they mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs)] // of fields: see above
pub enum Recipe {
    /// Next-token prediction on the wild corpus.
    Pretrain,
    /// Supervised fine-tuning on reference programs.
    Sft { on: Pool, length: Length, balanced: bool },
    /// The same on the parent's own passing answers to as many prompts as RL is given.
    Rft { on: Pool },
    /// PPO on the problems' prompts, rewarded by the sandbox (or by a control's reward).
    Ppo {
        on: Pool,
        reward: Reward,
        baseline: Option<Baseline>,
        #[serde(skip_serializing_if = "Option::is_none")]
        kl_coefficient: Option<f64>,
    },
    /// Nothing is learned: the model that the parent started from, at the temperature at which its answers are as
    /// certain as the parent's.
    Cooled { on: Pool },
}

/// Training problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// Which atoms.
    pub atoms: Atoms,
    /// The first so many chains.
    pub composites: usize,
    /// Of which.
    #[serde(default)]
    pub chains: Chains,
}

/// The atoms of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Atoms {
    /// All of Atom_base.
    All,
    /// Those of the source topics.
    Source,
    /// None.
    None,
}

/// What the composites of a pool are the first of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Chains {
    /// The training part of Composite_A.
    #[default]
    Train,
    /// The same with one helper wrong in each program.
    Broken,
    /// Composite_B itself, a test set: what an arm could reach.
    Target,
}

/// How long SFT is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Length {
    /// The common length of the arms of finding 1.
    Full,
    /// Stopped early: the model still fails on some of its own training prompts, so RL has a
    /// signal to learn from.
    Start,
    /// From where `Start` stopped, as many further samples as the RL arms draw.
    More,
    /// From the base model, as long as development data found best, with a rate that decays.
    Tuned,
}

/// One entry of the design: a recipe, trained over several seeds.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arm {
    /// Lower-case letters, digits and hyphens.
    pub name: String,
    /// The arm whose model it starts from, at the same seed.
    pub parent: Option<String>,
    /// How it is trained, and on what.
    pub recipe: Recipe,
    /// Findings that need the arm.
    #[serde(default)]
    pub findings: Vec<u32>,
    /// What tables say of it.
    pub about: String,
    /// Whether it is a row of the ambiguity ledger: no arm of the study, and no control.
    #[serde(default)]
    pub ledger: bool,
}

/// All arms, parents before their children.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arms {
    #[serde(rename = "arm")]
    arms: Vec<Arm>,
}

impl Arms {
    /// Reads `data/arms.toml` of the project at `root`.
    ///
    /// # Errors
    /// Naming the file, and the line or the arm that is wrong.
    pub fn load(root: &Path) -> Result<Arms> {
        let path = root.join("data/arms.toml");
        let arms: Arms = read_toml(&path)?;
        for (index, arm) in arms.arms.iter().enumerate() {
            let above = |name: &str| arms.arms[..index].iter().any(|earlier| earlier.name == name);
            let wrong = match (&arm.recipe, &arm.parent) {
                _ if above(&arm.name) => "there is another arm of this name".to_owned(),
                (_, Some(parent)) if !above(parent) => format!("no arm `{parent}` stands above it"),
                (Recipe::Ppo { .. } | Recipe::Rft { .. } | Recipe::Cooled { .. }, None) => {
                    "it needs a parent to start from".to_owned()
                }
                _ => continue,
            };
            return Err(Error::damaged(&path, format!("arm `{}`: {wrong}", arm.name)));
        }
        Ok(arms)
    }

    /// All of them, in the order of the file.
    pub fn all(&self) -> &[Arm] {
        &self.arms
    }

    /// The arm called `name`.
    pub fn arm(&self, name: &str) -> Result<&Arm> {
        self.arms.iter().find(|arm| arm.name == name).ok_or_else(|| Error::Unknown {
            kind: "arm or finding",
            name: name.to_owned(),
            known: self.known_names(),
        })
    }

    /// The arms that `name` stands for, parents first: an arm's name, `finding1` and so on, `study` (the
    /// arms of all findings), `controls` (those of none) or `ledger`.
    pub fn select(&self, name: &str) -> Result<Vec<&Arm>> {
        let finding = name.strip_prefix("finding").and_then(|digits| digits.parse().ok());
        let meant = |arm: &&Arm| match (name, finding) {
            ("study", _) => !arm.findings.is_empty(),
            ("controls", _) => arm.findings.is_empty() && !arm.ledger,
            ("ledger", _) => arm.ledger,
            (_, Some(number)) => arm.findings.contains(&number),
            _ => false,
        };
        let chosen: Vec<&Arm> = self.arms.iter().filter(meant).collect();
        if chosen.is_empty() { Ok(vec![self.arm(name)?]) } else { Ok(chosen) }
    }

    /// `arm`, its parent, the parent's parent, to the first.
    pub fn lineage<'a>(&'a self, arm: &'a Arm) -> impl Iterator<Item = &'a Arm> {
        let parent = |of: &&Arm| of.parent.as_ref().and_then(|name| self.arm(name).ok());
        std::iter::successors(Some(arm), parent)
    }

    fn known_names(&self) -> String {
        let findings = self.arms.iter().flat_map(|arm| &arm.findings).sorted().dedup();
        let names = self.arms.iter().map(|arm| arm.name.clone());
        let groups = ["study", "controls", "ledger"].map(String::from);
        names.chain(findings.map(|number| format!("finding{number}"))).chain(groups).join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> Arms {
        Arms::load(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    fn loaded(text: &str) -> Result<Arms> {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("data")).unwrap();
        std::fs::write(root.path().join("data/arms.toml"), text).unwrap();
        Arms::load(root.path())
    }

    #[test]
    fn an_unknown_arm_is_named_with_the_known_ones() {
        let message = shipped().select("sft-atom").unwrap_err().to_string();
        assert!(
            message.contains("`sft-atom`") && message.contains("sft-atoms") && message.contains("finding3")
        );
    }

    #[test]
    fn a_finding_brings_the_arms_it_compares() {
        let arms = shipped();
        let names = |name: &str| arms.select(name).unwrap().iter().map(|arm| arm.name.as_str()).collect_vec();
        assert_eq!(names("finding2"), ["base", "sft-start", "sft-more", "sft-tuned", "sft-rl"]);
        assert_eq!(names("sft-atoms"), ["sft-atoms"]);
        assert!(names("controls").contains(&"rl-shuffled") && !names("controls").contains(&"rl-base"));
        let groups = ["study", "controls", "ledger"].map(|group| names(group).len());
        assert_eq!(groups.iter().sum::<usize>(), arms.all().len());
        assert!(arms.select("finding4").is_err());
    }

    #[test]
    fn an_arm_that_cannot_be_is_named() {
        let base = "[[arm]]\nname = \"base\"\nabout = \"\"\nrecipe = \"pretrain\"\n";
        assert_eq!(loaded(base).unwrap().all().len(), 1);
        let orphan = base.to_owned() + "parent = \"nobody\"\n";
        let rl = "[[arm]]\nname = \"rl\"\nabout = \"\"\nrecipe.ppo = { on = { atoms = \"all\", composites = 1 }, reward = \"tests\" }\n";
        for (text, said) in [
            (orphan.as_str(), "no arm `nobody` stands above it"),
            (&base.repeat(2), "another arm of this name"),
            (rl, "arm `rl`: it needs a parent"),
            (&rl.replace("tests", "praise"), "arms.toml:4: unknown variant `praise`"),
            (&rl.replace("composites", "chain"), "arms.toml:4: unknown field `chain`"),
        ] {
            let message = loaded(text).unwrap_err().to_string();
            assert!(message.contains(said), "{message}");
        }
    }
}
