//! One look for all figures: colors that color-blind readers tell apart, text that is readable
//! from the back of a lecture room, one name and color an arm wherever it appears.

use plotters::style::RGBColor;

use crate::data::problem::Set;
use crate::study::store::Prompts;

// Okabe and Ito (2008), "Color universal design".
pub const ORANGE: RGBColor = RGBColor(230, 159, 0);
pub const SKY: RGBColor = RGBColor(86, 180, 233);
pub const GREEN: RGBColor = RGBColor(0, 158, 115);
pub const BLUE: RGBColor = RGBColor(0, 114, 178);
pub const VERMILLION: RGBColor = RGBColor(213, 94, 0);
pub const PURPLE: RGBColor = RGBColor(204, 121, 167);
pub const GRAY: RGBColor = RGBColor(130, 130, 130);

pub const INK: RGBColor = RGBColor(34, 34, 34);
pub const SOFT_INK: RGBColor = RGBColor(90, 90, 90);
pub const GRID: RGBColor = RGBColor(225, 225, 225);
pub const WHITE: RGBColor = RGBColor(255, 255, 255);

/// Font sizes in pixels, for a figure 1200 wide and 700 high.
pub const TITLE: f64 = 25.0;
pub const SUBTITLE: f64 = 16.0;
pub const PANEL_TITLE: f64 = 18.0;
pub const AXIS_TITLE: f64 = 16.0;
pub const TICK: f64 = 15.0;
pub const LABEL: f64 = 15.0;

/// Width and height of the figures, in pixels.
pub const SIZE: (u32, u32) = (1200, 700);

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

/// What an arm is called in figures.
pub fn arm_label(arm: &str) -> String {
    match arm {
        "base" => "base model".to_owned(),
        "sft-atoms" => "SFT: atoms only".to_owned(),
        "sft-composites" => "SFT: composites only".to_owned(),
        "sft-start" => "SFT (start of RL)".to_owned(),
        "sft-rl" => "SFT, then RL".to_owned(),
        "sft-more" => "SFT, then more SFT".to_owned(),
        "rl-base" => "RL from the base".to_owned(),
        "rl-shuffled" => "RL, shuffled reward".to_owned(),
        "rl-format" => "RL, reward for form".to_owned(),
        other => match other.strip_prefix("sft-mix-") {
            Some(count) => format!("SFT: atoms + {count} composites"),
            None => other.to_owned(),
        },
    }
}

/// The color of an arm, the same in every figure.
pub fn arm_color(arm: &str) -> RGBColor {
    match arm {
        "base" | "sft-start" => GRAY,
        "sft-atoms" => SKY,
        "sft-composites" | "sft-more" => ORANGE,
        "sft-rl" => BLUE,
        "rl-base" => VERMILLION,
        "rl-shuffled" => SKY,
        "rl-format" => PURPLE,
        _ => GREEN,
    }
}

/// A set as figures show it: two short lines, what it is and what is new in it.
pub fn set_lines(set: Set, prompts: Prompts) -> [&'static str; 2] {
    match (set, prompts) {
        (Set::AtomBase, Prompts::Train) => ["atoms", "trained on"],
        (Set::AtomBase, Prompts::HeldOut) => ["atoms", "new wording"],
        (Set::CompositeATrain, Prompts::Train) => ["A", "trained on"],
        (Set::CompositeATrain, Prompts::HeldOut) => ["A", "new wording"],
        (Set::CompositeAHeldOut, _) => ["A", "new chains"],
        (Set::CompositeB, _) => ["B", "target topics"],
        (Set::CompositeC, _) => ["C", "mixed topics"],
        (Set::Deep, _) => ["A", "depth 4-5"],
    }
}

pub fn set_color(set: Set) -> RGBColor {
    match set {
        Set::AtomBase => GRAY,
        Set::CompositeATrain => SKY,
        Set::CompositeAHeldOut => GREEN,
        Set::CompositeB => VERMILLION,
        Set::CompositeC => PURPLE,
        Set::Deep => ORANGE,
    }
}
