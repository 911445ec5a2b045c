//! Expressions over pass rates.

use serde::Deserialize;

use super::scores::Cell;
use crate::data::Set;

/// An expression over pass rates.
#[derive(Debug, Clone, PartialEq)]
pub enum Quantity {
    Constant(f64),
    Rate(Cell),
    /// First minus second.
    Difference(Box<Quantity>, Box<Quantity>),
    Scaled(f64, Box<Quantity>),
    /// The worst or the best of several arms.
    Extreme(Extreme, Vec<Quantity>),
    /// A path of (level, value), read where it first reaches a level: see [`read_path`].
    AtLevel {
        level: Box<Quantity>,
        path: Vec<(Quantity, Quantity)>,
    },
}

/// Which of several arms counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Extreme {
    Min,
    Max,
}

impl Quantity {
    /// `self - other`.
    pub fn minus(self, other: Quantity) -> Quantity {
        Quantity::Difference(Box::new(self), Box::new(other))
    }

    /// Generalization gap: the rate of `cell` on `train`, minus its rate on `test`.
    pub fn gap(cell: &Cell, train: Set, test: Set) -> Quantity {
        let on = |set| Quantity::Rate(Cell { set, ..cell.clone() });
        on(train).minus(on(test))
    }

    /// Its value where `rate` says what each pass rate is.
    pub(super) fn evaluate(&self, rate: &impl Fn(&Cell) -> f64) -> f64 {
        match self {
            Quantity::Constant(value) => *value,
            Quantity::Rate(cell) => rate(cell),
            Quantity::Difference(left, right) => left.evaluate(rate) - right.evaluate(rate),
            Quantity::Scaled(factor, inner) => factor * inner.evaluate(rate),
            Quantity::Extreme(which, parts) => {
                let best = if *which == Extreme::Min { f64::min } else { f64::max };
                // NaN must stay NaN, which f64::min and f64::max would drop.
                let best = |a: f64, b: f64| if a.is_nan() || b.is_nan() { f64::NAN } else { best(a, b) };
                parts.iter().map(|part| part.evaluate(rate)).reduce(best).unwrap_or(f64::NAN)
            }
            Quantity::AtLevel { .. } => self.read(rate).map_or(f64::NAN, |(value, _)| value),
        }
    }

    /// Of a path: its value, and whether its end stands in for a level that it never had.
    fn read(&self, rate: &impl Fn(&Cell) -> f64) -> Option<(f64, bool)> {
        let Quantity::AtLevel { level, path } = self else { return None };
        read_path(path.iter().map(|(x, y)| (x.evaluate(rate), y.evaluate(rate))), level.evaluate(rate))
    }

    /// Itself and every part of it.
    pub(super) fn parts(&self) -> Vec<&Quantity> {
        let below: Vec<&Quantity> = match self {
            Quantity::Constant(_) | Quantity::Rate(_) => vec![],
            Quantity::Difference(left, right) => vec![left, right],
            Quantity::Scaled(_, inner) => vec![inner],
            Quantity::Extreme(_, parts) => parts.iter().collect(),
            Quantity::AtLevel { level, path } => {
                path.iter().flat_map(|(x, y)| [x, y]).chain([level.as_ref()]).collect()
            }
        };
        std::iter::once(self).chain(below.into_iter().flat_map(Quantity::parts)).collect()
    }

    /// Whether one of its paths never had the level at which it is read.
    pub(super) fn off_path(&self, rate: &impl Fn(&Cell) -> f64) -> bool {
        self.parts().into_iter().any(|part| part.read(rate).is_some_and(|(_, off)| off))
    }
}

/// The value of a path of (level, value) where it first reaches `level`, linear between a point and
/// the next one that is higher; a point that is not above all before it (training that went back) is
/// passed over. The second is true where the path never had that level: below its first point the
/// first stands in, above its highest the highest. `None` of an empty path.
pub(super) fn read_path(points: impl Iterator<Item = (f64, f64)>, level: f64) -> Option<(f64, bool)> {
    let mut highest: Option<(f64, f64)> = None;
    for (x, y) in points {
        match highest {
            None if level < x => return Some((y, true)),
            Some((before, _)) if x <= before => continue,
            Some((before, value)) if level <= x => {
                return Some((value + (y - value) * (level - before) / (x - before), false));
            }
            _ => highest = Some((x, y)),
        }
    }
    highest.map(|(x, y)| (y, level > x))
}
