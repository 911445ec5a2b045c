//! One look for all figures: colors that color-blind readers tell apart, text that is readable
//! from the back of a lecture room, one name and color an arm wherever it appears.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::data::Set;
use crate::study::Prompts;

/// Okabe and Ito (2008), "Color universal design".
pub const ORANGE: RGBColor = RGBColor(230, 159, 0);
/// Okabe and Ito (2008), "Color universal design".
pub const SKY: RGBColor = RGBColor(86, 180, 233);
/// Okabe and Ito (2008), "Color universal design".
pub const GREEN: RGBColor = RGBColor(0, 158, 115);
/// Okabe and Ito (2008), "Color universal design".
pub const BLUE: RGBColor = RGBColor(0, 114, 178);
/// Okabe and Ito (2008), "Color universal design".
pub const VERMILLION: RGBColor = RGBColor(213, 94, 0);
/// Okabe and Ito (2008), "Color universal design".
pub const PURPLE: RGBColor = RGBColor(204, 121, 167);
/// For what stands beside the arms of the findings.
pub const BROWN: RGBColor = RGBColor(140, 86, 75);
/// The same.
pub const OLIVE: RGBColor = RGBColor(128, 128, 0);
/// What others are compared with.
pub const GRAY: RGBColor = RGBColor(130, 130, 130);

/// Text and what else must be seen.
pub const INK: RGBColor = RGBColor(34, 34, 34);
/// Text of second rank, axes.
pub const SOFT_INK: RGBColor = RGBColor(90, 90, 90);
/// Lines behind the data.
pub const GRID: RGBColor = RGBColor(225, 225, 225);

/// Font sizes in pixels, for a figure of [`SIZE`].
pub(super) const TITLE: f64 = 25.0;
pub(super) const PANEL_TITLE: f64 = 18.0;
pub(super) const AXIS_TITLE: f64 = 16.0;
/// Ticks, labels, keys.
pub const LABEL: f64 = 15.0;
pub(super) const SMALL: f64 = 14.0;

/// Width and height of the figures, in pixels.
pub const SIZE: (u32, u32) = (1200, 720);

/// The text is centered on its point.
pub const CENTERED: Pos = Pos { h_pos: HPos::Center, v_pos: VPos::Center };
/// The text ends at its point.
pub const BEFORE: Pos = Pos { h_pos: HPos::Right, v_pos: VPos::Center };
/// The text begins at its point.
pub const AFTER: Pos = Pos { h_pos: HPos::Left, v_pos: VPos::Center };

/// Plain text of `size` pixels that begins at its point.
pub fn ink(size: f64, color: RGBColor) -> TextStyle<'static> {
    // The SVG backend writes size / 1.24 as the font size in pixels.
    FontDesc::new(FontFamily::SansSerif, size * 1.24, FontStyle::Normal).color(&color).pos(AFTER)
}

/// [`ink`], in bold.
pub fn bold(size: f64, color: RGBColor) -> TextStyle<'static> {
    FontDesc::new(FontFamily::SansSerif, size * 1.24, FontStyle::Bold).color(&color).pos(AFTER)
}

/// [`ink`] that reads upwards.
pub fn upward(size: f64, color: RGBColor) -> TextStyle<'static> {
    ink(size, color).transform(FontTransform::Rotate270)
}

/// The same hue, dark enough for text on white.
pub fn dark(color: RGBColor) -> RGBColor {
    let RGBColor(red, green, blue) = color;
    let scale = |part: u8| (f64::from(part) * 0.68) as u8;
    RGBColor(scale(red), scale(green), scale(blue))
}

/// `color` over white with the given opacity, opaque: prints well and needs no blending.
pub fn tint(color: RGBColor, opacity: f64) -> RGBColor {
    let RGBColor(red, green, blue) = color;
    let mix = |part: u8| (255.0 - (255.0 - f64::from(part)) * opacity.clamp(0.0, 1.0)).round() as u8;
    RGBColor(mix(red), mix(green), mix(blue))
}

/// What an arm is called in figures, and its color, the same in every figure.
pub(super) fn arm_style(arm: &str) -> (String, RGBColor) {
    let (label, color) = match arm {
        "base" => ("base model", GRAY),
        "sft-atoms" => ("SFT: atoms only", SKY),
        "sft-composites" => ("SFT: composites only", PURPLE),
        "sft-source" => ("SFT: source domain only", BROWN),
        "sft-broken" => ("SFT: broken composites", OLIVE),
        "sft-oracle" => ("SFT: target domain", INK),
        "sft-start" => ("SFT (start of RL)", GRAY),
        "sft-more" => ("SFT, then more SFT", ORANGE),
        "sft-tuned" => ("SFT, best length", OLIVE),
        "rft" => ("SFT on own answers", BROWN),
        "start-cooled" => ("start of RL, cooled", INK),
        "sft-rl" => ("SFT, then RL", BLUE),
        "rl-group" => ("RL, group baseline", tint(BLUE, 0.7)),
        "rl-batch" => ("RL, constant baseline", tint(BLUE, 0.5)),
        "rl-base" => ("RL from the base", VERMILLION),
        "rl-shuffled" => ("RL, shuffled reward", PURPLE),
        "rl-format" => ("RL, reward for form", tint(PURPLE, 0.8)),
        "rl-kl-only" => ("RL, no reward", tint(PURPLE, 0.6)),
        other => match other.strip_prefix("sft-mix-") {
            // The more composites, the darker.
            Some(count) => {
                let color = match count {
                    "4" => tint(GREEN, 0.45),
                    "16" => tint(GREEN, 0.7),
                    "256" => dark(GREEN),
                    _ => GREEN,
                };
                return (format!("SFT: atoms + {count}"), color);
            }
            None => (other, GREEN),
        },
    };
    (label.to_owned(), color)
}

/// A set as figures show it: two short lines (what it is, what is new in it) and its color.
pub(super) fn set_style(set: Set, prompts: Prompts) -> ([&'static str; 2], RGBColor) {
    match (set, prompts) {
        (Set::AtomBase, Prompts::Train) => (["atoms", "trained on"], GRAY),
        (Set::AtomBase, Prompts::HeldOut) => (["atoms", "new wording"], GRAY),
        (Set::CompositeATrain, Prompts::Train) => (["A", "trained on"], SKY),
        (Set::CompositeATrain, Prompts::HeldOut) => (["A", "new wording"], SKY),
        (Set::CompositeAHeldOut, _) => (["A", "new chains"], GREEN),
        (Set::CompositeB, _) => (["B", "target topics"], VERMILLION),
        (Set::CompositeC, _) => (["C", "mixed topics"], PURPLE),
        (Set::Deep, _) => (["A", "deep chains"], ORANGE),
    }
}
