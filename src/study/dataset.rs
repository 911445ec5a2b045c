//! The data of a tier, built once and kept: problems in their splits, and the tokenizer.
//!
//! `data/generated/<tier>-<hash>/` holds `splits.jsonl`, `withheld.json` and `tokenizer.json`. The hash covers
//! the catalog's content and every setting that goes in, so a stale folder is never read.

use std::collections::BTreeSet;
use std::path::Path;

use rand::seq::SliceRandom;

use crate::base::{Result, Seed, hash_bytes, read_json, say, write_atomically, write_json};
use crate::data::{Catalog, Codec, Corpus, Problem, Set, Side, Splits, withheld};
use crate::sandbox::Sandbox;
use crate::study::arms::{Atoms, Chains, Pool};
use crate::study::tier::Tier;

/// Raise it when the way data is made changes without a setting or the catalog changing.
const RECIPE_VERSION: u32 = 4;

/// Documents that the tokenizer is trained on, besides all prompts and references of training.
const TOKENIZER_DOCUMENTS: usize = 4_000;

/// Problems and tokenizer of a tier.
pub struct Dataset {
    /// The problems, set by set.
    pub splits: Splits,
    /// The chains that no document of the corpus may hold.
    pub withheld: BTreeSet<String>,
    /// The tokenizer.
    pub codec: Codec,
    /// Digest of all three: part of every run's hash.
    pub hash: String,
}

impl Dataset {
    /// Reads the data of `tier`, or builds it: about a minute for the quick tier.
    pub fn open(root: &Path, tier: &Tier, catalog: &Catalog, sandbox: &Sandbox) -> Result<Dataset> {
        let name = tier.plain.as_ref().map_or(&tier.name, |plain| &plain.name); // the hash tells them apart
        let folder = root.join(format!("data/generated/{name}-{}", &settings_hash(tier, catalog)?[..12]));
        let [splits_path, withheld_path, codec_path] =
            ["splits.jsonl", "withheld.json", "tokenizer.json"].map(|name| folder.join(name));
        if ![&splits_path, &withheld_path, &codec_path].into_iter().all(|path| path.exists()) {
            let shown = folder.strip_prefix(root).unwrap_or(&folder);
            say(&format!("data: synthesizing problems into {} (a minute)", shown.display()));
            let splits = Splits::build(catalog, sandbox, &tier.splits, Seed::new(tier.data_seed))?;
            splits.save(&splits_path)?;
            let withheld = withheld(catalog, sandbox, &splits)?;
            write_json(&withheld_path, &withheld)?;
            let codec = train_codec(tier, catalog, &splits, &withheld)?;
            write_atomically(&codec_path, codec.to_json()?.as_bytes())?;
        }
        let splits = Splits::load(&splits_path)?;
        let withheld: BTreeSet<String> = read_json(&withheld_path)?;
        let codec = Codec::load(&codec_path)?;
        let of_withheld = hash_bytes(serde_json::to_vec(&withheld)?);
        let hash = hash_bytes(format!("{} {of_withheld} {}", splits.content_hash()?, codec.content_hash()?));
        Ok(Dataset { splits, withheld, codec, hash })
    }

    /// The first `count` chains of what training pools are filled from.
    pub fn chains(&self, chains: Chains, count: usize) -> Vec<&Problem> {
        let set = if chains == Chains::Target { Set::CompositeB } else { Set::CompositeATrain };
        // In an order of its own, so that a small pool has chains of every depth.
        let mut chains: Vec<&Problem> = self.splits.get(set).iter().collect();
        chains.shuffle(&mut Seed::new(0).stream("order of training chains"));
        chains.truncate(count);
        chains
    }

    /// Atoms and chains of a pool.
    pub fn pool(&self, pool: Pool, catalog: &Catalog) -> [Vec<&Problem>; 2] {
        let taken = |atom: &&Problem| match pool.atoms {
            Atoms::All => true,
            Atoms::Source => catalog.get(&atom.key).is_some_and(|atom| atom.side == Side::Source),
            Atoms::None => false,
        };
        let atoms = self.splits.get(Set::AtomBase).iter().filter(taken).collect();
        [atoms, self.chains(pool.chains, pool.composites)]
    }
}

/// Byte-level BPE over the wild corpus and the training problems. Nothing of a test set goes in.
fn train_codec(
    tier: &Tier,
    catalog: &Catalog,
    splits: &Splits,
    withheld: &BTreeSet<String>,
) -> Result<Codec> {
    let seed = Seed::new(tier.data_seed).child("tokenizer");
    let mut texts: Vec<String> = Corpus::new(catalog, &tier.corpus, withheld)?
        .documents(seed, 0, TOKENIZER_DOCUMENTS)
        .into_iter()
        .map(|document| document.prompt + &document.response)
        .collect();
    for problem in splits.get(Set::AtomBase).iter().chain(splits.get(Set::CompositeATrain)) {
        texts.extend(problem.prompts.iter().map(|prompt| format!("{prompt}{}", problem.reference)));
    }
    Codec::train(&texts, tier.vocabulary)
}

pub(super) fn settings_hash(tier: &Tier, catalog: &Catalog) -> Result<String> {
    let settings = serde_json::json!({
        "recipe": RECIPE_VERSION,
        "catalog": catalog.content_hash(),
        "data_seed": tier.data_seed,
        "splits": tier.splits,
        "vocabulary": tier.vocabulary,
        "corpus": tier.corpus,
    });
    Ok(hash_bytes(settings.to_string()))
}
