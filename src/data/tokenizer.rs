//! The tokenizer: byte-level BPE trained on the kit's own corpus, kept as a Hugging Face
//! `tokenizer.json`, and the same interface over the tokenizer of a real LLM.
//!
//! Prompt and response are always encoded separately, so that a response tokenizes the same way
//! after any prompt and the boundary between what is masked and what is learned is exact.

use std::path::Path;

use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, DecoderWrapper, ModelWrapper, PreTokenizerWrapper, Tokenizer};

use crate::base::{Error, Result, hash_bytes, write_atomically};

/// Ends every document and every response of the small model.
pub const END_TEXT: &str = "<|end|>";

/// End tokens of the model families that the kit loads, tried in this order.
const END_TEXTS: [&str; 4] = [END_TEXT, "<|im_end|>", "<|endoftext|>", "</s>"];

/// Text to tokens and back, and the token that ends a response.
#[derive(Clone)]
pub struct Codec {
    tokenizer: Tokenizer,
    end: u32,
}

impl Codec {
    /// Trains a byte-level BPE (GPT-2 style pre-tokenization) with `vocabulary` entries, the 256
    /// bytes and the end token among them.
    pub fn train(documents: &[String], vocabulary: usize) -> Result<Codec> {
        let trainer = BpeTrainerBuilder::new()
            .vocab_size(vocabulary)
            .min_frequency(2)
            .show_progress(false)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .special_tokens(vec![AddedToken::from(END_TEXT, true)])
            .build();
        let byte_level = ByteLevel::new(false, true, true);
        let mut tokenizer = Tokenizer::new(ModelWrapper::BPE(BPE::default()));
        tokenizer.with_pre_tokenizer(Some(PreTokenizerWrapper::ByteLevel(byte_level)));
        tokenizer.with_decoder(Some(DecoderWrapper::ByteLevel(byte_level)));
        let mut trainer = TrainerWrapper::BpeTrainer(trainer);
        tokenizer.train(&mut trainer, documents.iter().map(String::as_str)).map_err(failed)?;
        Codec::new(tokenizer)
    }

    /// Reads `tokenizer.json`.
    pub fn load(path: &Path) -> Result<Codec> {
        let bytes = std::fs::read(path).map_err(Error::io(path))?;
        let tokenizer = Tokenizer::from_bytes(&bytes).map_err(|error| Error::damaged(path, error))?;
        Codec::new(tokenizer)
    }

    fn new(tokenizer: Tokenizer) -> Result<Codec> {
        let end = END_TEXTS
            .iter()
            .find_map(|text| tokenizer.token_to_id(text))
            .ok_or_else(|| Error::Tokenizer(format!("has none of the end tokens {}", END_TEXTS.join(" "))))?;
        Ok(Codec { tokenizer, end })
    }

    /// The bytes of `tokenizer.json`.
    pub fn to_json(&self) -> Result<String> {
        self.tokenizer.to_string(true).map_err(failed)
    }

    /// Writes `tokenizer.json`.
    pub fn save(&self, path: &Path) -> Result<()> {
        write_atomically(path, self.to_json()?.as_bytes())
    }

    /// Tokens of a prompt: no special token is added.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        Ok(self.tokenizer.encode_fast(text, false).map_err(failed)?.get_ids().to_vec())
    }

    /// Tokens of a response, the end token last.
    pub fn encode_response(&self, text: &str) -> Result<Vec<u32>> {
        let mut tokens = self.encode(text)?;
        tokens.push(self.end);
        Ok(tokens)
    }

    /// Text of `tokens`, without special tokens. Bytes that are not UTF-8 become U+FFFD.
    pub fn decode(&self, tokens: &[u32]) -> Result<String> {
        self.tokenizer.decode(tokens, true).map_err(failed)
    }

    /// The token that ends a document or response.
    pub fn end(&self) -> u32 {
        self.end
    }

    /// Number of tokens, special tokens included.
    pub fn vocabulary(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
    }

    /// SHA-256 of `tokenizer.json`, hexadecimal.
    pub fn content_hash(&self) -> Result<String> {
        self.to_json().map(hash_bytes)
    }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Tokenizer(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents() -> Vec<String> {
        (0..50)
            .map(|n| format!("# add {n} to each number\ndef f(x):\n    return [v + {n} for v in x]"))
            .collect()
    }

    #[test]
    fn text_survives_and_training_repeats() {
        let codec = Codec::train(&documents(), 320).unwrap();
        for text in ["# add 3\ndef f(x):\n    return x", "将数字排序 é \t\u{1F600}", ""] {
            assert_eq!(codec.decode(&codec.encode(text).unwrap()).unwrap(), text);
        }
        assert_eq!(codec.encode_response("x").unwrap().last(), Some(&codec.end()));
        let again = Codec::train(&documents(), 320).unwrap();
        assert_eq!(again.to_json().unwrap(), codec.to_json().unwrap());
    }

    #[test]
    fn prompt_and_response_split_where_the_whole_does() {
        let codec = Codec::train(&documents(), 320).unwrap();
        let (prompt, response) = ("# add 3 to each number\n", "def f(x):\n    return x");
        let mut parts = codec.encode(prompt).unwrap();
        parts.extend(codec.encode(response).unwrap());
        assert_eq!(parts, codec.encode(&format!("{prompt}{response}")).unwrap());
    }

    #[test]
    fn a_damaged_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokenizer.json");
        std::fs::write(&path, "{\"version\": ").unwrap();
        let message = Codec::load(&path).err().unwrap().to_string();
        assert!(message.contains("tokenizer.json"), "{message}");
    }
}
