//! How answers went: a word an answer, a row a question; and how records keep them.
//!
//! While a run trains, its log holds one [`OutcomeRow`] a line. Its record packs them: one line a stage, set
//! and kind of wording, a letter an answer, and the questions only where they are not those of an earlier
//! stage: `"greedy":"+w+","sampled":"++w+ wwww e+++"`.

use std::collections::HashMap;
use std::path::Path;

use itertools::Itertools;
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};

use super::Prompts;
use crate::base::{Error, Result, parse_lines, to_lines};
use crate::data::{CONNECTIVES, Set, connective};
use crate::sandbox::CaseWord;

/// Of the words in the order of [`AnswerWord::all`]. A letter never changes and is never given to another word.
const LETTERS: &str = "+wesntmfxcobr/-!";

/// What became of one answer. It takes one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[derive(IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum AnswerWord {
    /// Cut off before its end token, so never run. It counts as failed.
    NoEnd,
    /// It failed: records of schemas 1 and 2 do not say how.
    Failed,
    /// The sandbox failed, which is no judgement: the answer counts nowhere.
    Infra,
    /// The first word of its cases that is not `pass`, or `pass`.
    #[serde(untagged)]
    #[strum(transparent)]
    Judged(CaseWord),
}

impl AnswerWord {
    /// Did it pass? `None` where the sandbox failed.
    pub fn passed(self) -> Option<bool> {
        (self != AnswerWord::Infra).then_some(self == AnswerWord::Judged(CaseWord::Pass))
    }

    /// A [`CaseWord`]'s name, `no_end`, `failed` or `infra`.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Every word, each with the letter that packed records have for it.
    pub fn all() -> impl Iterator<Item = (AnswerWord, char)> {
        let judged = CaseWord::ALL.iter().copied().map(AnswerWord::Judged);
        judged.chain([AnswerWord::NoEnd, AnswerWord::Failed, AnswerWord::Infra]).zip(LETTERS.chars())
    }
}

/// What stands between the steps of a prompt: which of the connectives of `data`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[derive(IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Connective {
    /// `, then `
    Then,
    /// `; next `
    Next,
    /// ` and after that `
    AfterThat,
}

impl Connective {
    /// The one of `prompt`; `None` for an atom's, which has one step.
    pub fn of(prompt: &str) -> Option<Connective> {
        let text = connective(prompt)?;
        let place = CONNECTIVES.iter().position(|known| *known == text)?;
        Connective::VARIANTS.get(place).copied()
    }

    /// As records name it.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// How one question went in one evaluation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutcomeRow {
    /// [`FINAL_STAGE`](super::FINAL_STAGE), or an earlier point such as `epoch-4`.
    pub stage: String,
    /// The problem's set.
    pub set: Set,
    /// From which list its wording was drawn.
    pub prompts: Prompts,
    /// The problem's key.
    pub problem: String,
    /// Steps of its chain.
    pub depth: usize,
    /// Which wording of the list, counted from 0.
    pub wording: usize,
    /// What joins the steps in that wording.
    pub connective: Option<Connective>,
    /// Of the greedy answer.
    pub greedy: AnswerWord,
    /// Of each answer at temperature 1.
    pub sampled: Vec<AnswerWord>,
}

impl OutcomeRow {
    /// How many sampled answers were judged: all but those that the sandbox failed on.
    pub fn samples(&self) -> u32 {
        self.sampled.iter().filter_map(|word| word.passed()).count() as u32
    }

    /// How many of those passed.
    pub fn passed(&self) -> u32 {
        self.sampled.iter().filter(|word| word.passed() == Some(true)).count() as u32
    }

    /// 1 where the greedy answer passed, else 0; `None` where it was not judged.
    pub fn greedy_rate(&self) -> Option<f64> {
        self.greedy.passed().map(|passed| f64::from(u8::from(passed)))
    }

    /// Share of the judged samples that passed; `None` where there are none.
    pub fn sampled_rate(&self) -> Option<f64> {
        (self.samples() > 0).then(|| f64::from(self.passed()) / f64::from(self.samples()))
    }
}

/// The answers to one question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerRow {
    /// How they went.
    pub outcome: OutcomeRow,
    /// What the model read.
    pub prompt: String,
    /// What it wrote, without end token, as far as it came.
    pub greedy: String,
    /// The same at temperature 1.
    pub sampled: Vec<String>,
}

/// Problem, depth, wording, connective.
type Asked = (String, usize, usize, Option<Connective>);

/// One line of a packed record: how one stage answered the questions of one set in one kind of wording.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Block {
    stage: String,
    set: Set,
    prompts: Prompts,
    /// `None`: those of the last block before this one that is of the same set and prompts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asked: Option<Vec<Asked>>,
    /// A letter a question.
    greedy: String,
    /// The letters of each question's samples, with spaces between questions.
    sampled: String,
}

/// Rows as their record keeps them; what is packed comes back in the same order.
pub(super) fn pack(rows: &[OutcomeRow]) -> Result<Vec<u8>> {
    let letter: HashMap<AnswerWord, char> = AnswerWord::all().collect();
    let mut known: HashMap<(Set, Prompts), Vec<Asked>> = HashMap::new();
    let mut blocks = Vec::new();
    for rows in rows.chunk_by(|a, b| (&a.stage, a.set, a.prompts) == (&b.stage, b.set, b.prompts)) {
        let asked = |row: &OutcomeRow| (row.problem.clone(), row.depth, row.wording, row.connective);
        let asked = rows.iter().map(asked).collect_vec();
        let letters = |words: &[AnswerWord]| words.iter().map(|word| letter[word]).collect::<String>();
        let OutcomeRow { stage, set, prompts, .. } = &rows[0];
        let new = known.insert((*set, *prompts), asked.clone()).as_ref() != Some(&asked);
        blocks.push(Block {
            stage: stage.clone(),
            set: *set,
            prompts: *prompts,
            asked: new.then_some(asked),
            greedy: rows.iter().map(|row| letter[&row.greedy]).collect(),
            sampled: rows.iter().map(|row| letters(&row.sampled)).join(" "),
        });
    }
    to_lines(&blocks)
}

/// The rows that [`pack`] was given; `path` is for the error.
///
/// # Errors
/// `Error::Parse` naming the line that does not fit together.
pub(super) fn unpack(path: &Path, bytes: &[u8]) -> Result<Vec<OutcomeRow>> {
    let words: HashMap<char, AnswerWord> = AnswerWord::all().map(|(word, letter)| (letter, word)).collect();
    let mut known: HashMap<(Set, Prompts), Vec<Asked>> = HashMap::new();
    let mut rows = Vec::new();
    for (index, block) in parse_lines::<Block>(path, bytes)?.into_iter().enumerate() {
        let wrong = |message: String| Error::parse(path, index + 1, message);
        let words = |letters: &str| -> Result<Vec<AnswerWord>> {
            let unknown = |letter| wrong(format!("`{letter}` is the letter of no word"));
            letters.chars().map(|letter| words.get(&letter).copied().ok_or_else(|| unknown(letter))).collect()
        };
        let Block { stage, set, prompts, asked, greedy, sampled } = block;
        known.extend(asked.map(|asked| ((set, prompts), asked)));
        let nobody = || wrong(format!("no line above says what was asked of {}", set.name()));
        let asked = known.get(&(set, prompts)).ok_or_else(nobody)?;
        let (greedy, sampled) = (words(&greedy)?, sampled.split(' ').map(words).collect::<Result<Vec<_>>>()?);
        if [greedy.len(), sampled.len()] != [asked.len(); 2] {
            let (n, greedy, sampled) = (asked.len(), greedy.len(), sampled.len());
            let message = format!("{n} questions, but {greedy} greedy answers and samples of {sampled}");
            return Err(wrong(message));
        }
        rows.extend(asked.iter().cloned().zip(greedy).zip(sampled).map(|((asked, greedy), sampled)| {
            let (stage, (problem, depth, wording, connective)) = (stage.clone(), asked);
            OutcomeRow { stage, set, prompts, problem, depth, wording, connective, greedy, sampled }
        }));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::Splits;

    fn row(stage: &str, set: Set, problem: &str, sampled: &str) -> OutcomeRow {
        let words = |letters: &str| -> Vec<AnswerWord> {
            let word = |letter| AnswerWord::all().find(|(_, other)| *other == letter).unwrap().0;
            letters.chars().map(word).collect()
        };
        OutcomeRow {
            stage: stage.to_owned(),
            set,
            prompts: Prompts::Train,
            problem: problem.to_owned(),
            depth: 2,
            wording: 4,
            connective: Some(Connective::Next),
            greedy: words("+")[0],
            sampled: words(sampled),
        }
    }

    #[test]
    fn words_have_names_and_letters_of_their_own_and_take_one_byte() {
        let named = AnswerWord::all().map(|(word, letter)| format!("{letter}{}", word.name())).join(" ");
        let kept = "+pass wwrong_answer eexception ssyntax nno_entry ttimeout mmemory fforbidden xexited ccrashed \
                    ooutput_limit bmalformed rnot_run /no_end -failed !infra";
        assert_eq!(named, kept, "records say so");
        for (word, _) in AnswerWord::all() {
            let json = serde_json::to_string(&word).unwrap();
            assert_eq!(json, format!("\"{}\"", word.name()));
            assert_eq!(serde_json::from_str::<AnswerWord>(&json).unwrap(), word);
        }
        assert_eq!(size_of::<AnswerWord>(), 1);
    }

    #[test]
    fn what_was_not_judged_counts_nowhere_and_what_was_cut_off_fails() {
        let row = row("final", Set::CompositeB, "a > b", "+w/!+-!!");
        assert_eq!((row.samples(), row.passed(), row.sampled_rate()), (5, 2, Some(0.4)));
        assert_eq!(row.greedy_rate(), Some(1.0));
        let lost = OutcomeRow { greedy: AnswerWord::Infra, sampled: vec![AnswerWord::Infra; 2], ..row };
        assert_eq!((lost.greedy_rate(), lost.sampled_rate()), (None, None));
    }

    #[test]
    fn packed_rows_say_what_was_asked_once() {
        let rows = [
            row("epoch-1", Set::CompositeB, "a > b", "+w"),
            row("epoch-1", Set::CompositeB, "b > a", ""),
            row("epoch-1", Set::CompositeC, "c > a", "/!"),
            row("final", Set::CompositeB, "a > b", "++"),
            row("final", Set::CompositeB, "b > a", "e"),
        ];
        let packed = pack(&rows).unwrap();
        let lines = std::str::from_utf8(&packed).unwrap().lines().collect_vec();
        let asked = r#""asked":[["a > b",2,4,"next"],["b > a",2,4,"next"]],"#;
        let line = |stage, asked, sampled| {
            format!(
                r#"{{"stage":"{stage}","set":"composite_b","prompts":"train",{asked}"greedy":"++","sampled":"{sampled}"}}"#
            )
        };
        assert_eq!((lines[0], lines[2]), (&*line("epoch-1", asked, "+w "), &*line("final", "", "++ e")));
        assert_eq!(unpack(Path::new("x"), &packed).unwrap(), rows);
    }

    #[test]
    fn lines_that_do_not_fit_together_are_named() {
        let good = pack(&[row("final", Set::CompositeB, "a > b", "+w")]).unwrap();
        let good = String::from_utf8(good).unwrap();
        for (from, to, said) in [
            ("\"greedy\":\"+\"", "\"greedy\":\"++\"", "1 questions, but 2 greedy answers and samples of 1"),
            ("+w", "+ w", "1 questions, but 1 greedy answers and samples of 2"),
            ("+w", "+?", "`?` is the letter of no word"),
            ("composite_b", "composite_d", "unknown variant `composite_d`"),
            ("\"next\"", "\"before\"", "unknown variant `before`"),
            ("\"asked\"", "\"answered\"", "unknown field `answered`"),
            ("}", "", "EOF"),
        ] {
            let text = good.clone() + &good.replacen(from, to, 1);
            let error = unpack(Path::new("rows"), text.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with("rows:2: ") && error.contains(said), "{from}: {error}");
        }
        let (start, end) = (good.find("\"asked\"").unwrap(), good.find("\"greedy\"").unwrap());
        let error =
            unpack(Path::new("rows"), (good[..start].to_owned() + &good[end..]).as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "rows:1: no line above says what was asked of composite_b");
    }

    proptest! {
        #[test]
        fn any_rows_come_back(rows in proptest::collection::vec(
            (0..3usize, 0..6usize, any::<bool>(), "[a-z\" é>]{0,5}", 0..16usize, proptest::collection::vec(0..16usize, 0..9)),
            0..40,
        )) {
            let words = AnswerWord::all().map(|(word, _)| word).collect_vec();
            let rows: Vec<OutcomeRow> = rows.into_iter().map(|(stage, set, train, problem, greedy, sampled)| OutcomeRow {
                stage: format!("epoch-{stage}"),
                set: Set::ALL[set],
                prompts: if train { Prompts::Train } else { Prompts::HeldOut },
                depth: problem.len(),
                wording: greedy,
                connective: Connective::VARIANTS.get(greedy).copied(),
                problem,
                greedy: words[greedy],
                sampled: sampled.into_iter().map(|word| words[word]).collect(),
            }).collect();
            prop_assert_eq!(unpack(Path::new("x"), &pack(&rows).unwrap()).unwrap(), rows);
        }
    }

    /// The names here against the prompts that the data has.
    #[test]
    fn every_prompt_of_a_chain_has_its_connective_and_those_of_atoms_none() {
        for problem in Splits::small().iter() {
            let found = problem.prompts.iter().map(|prompt| Connective::of(prompt)).collect_vec();
            match problem.depth {
                1 => assert!(found.iter().all(Option::is_none), "{:?}", problem.prompts),
                _ => assert_eq!(
                    found.iter().flatten().collect_vec(),
                    [0, 1, 2, 0, 1, 2].map(|at| &Connective::VARIANTS[at])
                ),
            }
        }
    }
}
