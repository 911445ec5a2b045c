//! Prompts: one comment line that says what the program does. Training prompts combine the first
//! four descriptions of each atom; the fifth is kept for held-out paraphrases.

use rand::Rng;

use crate::base::Seed;
use crate::data::catalog::Atom;

/// Descriptions of an atom that training prompts may use; the next one is held out.
pub const N_TRAINING_DESCRIPTIONS: usize = 4;

/// Distinct training prompts a chain gets (an atom alone has one a description: four).
pub const N_TRAINING_PROMPTS: usize = 6;

/// What may stand between two steps.
pub const CONNECTIVES: [&str; 3] = [", then ", "; next ", " and after that "];

/// The same, in this order, between Chinese ones.
const CHINESE_CONNECTIVES: [&str; 3] = ["，然后", "；再", "，接着"];

/// The training prompts of a chain: distinct combinations of descriptions and connectives.
pub fn training(atoms: &[&Atom], seed: Seed) -> Vec<String> {
    if let [only] = atoms {
        return only.en[..N_TRAINING_DESCRIPTIONS].iter().map(|text| prompt_text(&[text], "")).collect();
    }
    let mut rng = seed.stream("prompts");
    let mut prompts: Vec<String> = Vec::with_capacity(N_TRAINING_PROMPTS);
    while prompts.len() < N_TRAINING_PROMPTS {
        // The connectives take turns, so that no problem knows only one of them.
        let connective = CONNECTIVES[prompts.len() % CONNECTIVES.len()];
        let steps: Vec<&str> =
            atoms.iter().map(|atom| atom.en[rng.random_range(0..N_TRAINING_DESCRIPTIONS)].as_str()).collect();
        let prompt = prompt_text(&steps, connective);
        if !prompts.contains(&prompt) {
            prompts.push(prompt);
        }
    }
    prompts
}

/// The held-out paraphrases: descriptions that no training prompt uses.
pub fn held_out(atoms: &[&Atom]) -> Vec<String> {
    let steps: Vec<&str> = atoms.iter().map(|atom| atom.en[N_TRAINING_DESCRIPTIONS].as_str()).collect();
    let n_prompts = if atoms.len() == 1 { 1 } else { CONNECTIVES.len() };
    CONNECTIVES[..n_prompts].iter().map(|connective| prompt_text(&steps, connective)).collect()
}

/// The prompt of a program that does what the descriptions say, one after another.
pub fn prompt_text(descriptions: &[&str], connective: &str) -> String {
    format!("# {}\n", joined(descriptions, connective))
}

/// The descriptions with `connective`, one of [`CONNECTIVES`], between them, in their language.
pub fn joined(descriptions: &[&str], connective: &str) -> String {
    let place = CONNECTIVES.iter().position(|known| *known == connective);
    let chinese = place
        .map(|place| CHINESE_CONNECTIVES[place])
        .filter(|_| !descriptions.iter().all(|text| text.is_ascii()));
    descriptions.join(chinese.unwrap_or(connective))
}

/// Which of the connectives a prompt uses; `None` where it says one step only.
pub fn connective(prompt: &str) -> Option<&'static str> {
    let uses = |(ours, chinese): &(&str, &str)| prompt.contains(ours) || prompt.contains(chinese);
    CONNECTIVES.into_iter().zip(CHINESE_CONNECTIVES).find(uses).map(|(ours, _)| ours)
}

/// The steps that a prompt describes.
pub fn steps(prompt: &str) -> Vec<String> {
    let text = prompt.trim_start_matches("# ").trim_end().to_owned();
    let connectives = CONNECTIVES.iter().chain(&CHINESE_CONNECTIVES);
    let one_a_line = connectives.fold(text, |text, connective| text.replace(connective, "\n"));
    one_a_line.lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use itertools::Itertools;

    use super::*;
    use crate::data::catalog::Catalog;

    #[test]
    fn a_prompt_is_one_line_and_gives_its_steps_and_its_connective_back() {
        for joint in CONNECTIVES {
            let prompt = prompt_text(&["sort the numbers", "add them up"], joint);
            assert!(prompt.ends_with('\n') && prompt.lines().count() == 1);
            assert_eq!(steps(&prompt), ["sort the numbers", "add them up"]);
            assert_eq!(connective(&prompt), Some(joint));
        }
        // No description reads like one, in either language.
        for catalog in [Catalog::shipped(), Catalog::shipped().in_chinese()] {
            let mut descriptions = catalog.atoms().iter().flat_map(|atom| &atom.en);
            assert!(descriptions.all(|text| connective(text).is_none()));
        }
    }

    #[test]
    fn chinese_steps_are_joined_in_chinese() {
        let catalog = Catalog::shipped().in_chinese();
        let atoms: Vec<&Atom> = ["sort_ascending", "reverse_list"].map(|id| catalog.get(id).unwrap()).into();
        let (training, held_out) = (training(&atoms, Seed::new(1)), held_out(&atoms));
        for (prompt, place) in training.iter().chain(&held_out).zip((0..3).cycle()) {
            assert!(
                prompt.contains(CHINESE_CONNECTIVES[place]) && !prompt.contains(CONNECTIVES[place]),
                "{prompt}"
            );
            assert_eq!((connective(prompt), steps(prompt).len()), (Some(CONNECTIVES[place]), 2));
        }
        assert!(held_out.iter().all(|prompt| !training.contains(prompt)));
    }

    #[test]
    fn every_chain_is_asked_with_every_connective() {
        let catalog = Catalog::shipped();
        let atoms: Vec<&Atom> = ["sort_ascending", "reverse_list"].map(|id| catalog.get(id).unwrap()).into();
        for prompts in [training(&atoms, Seed::new(1)), held_out(&atoms)] {
            let times = prompts.iter().filter_map(|prompt| connective(prompt)).counts();
            assert_eq!(times.len(), CONNECTIVES.len());
            assert!(times.values().all_equal(), "{times:?}");
        }
    }
}
