//! Hidden cases: those that all problems share and edge cases first, then inputs whose outputs differ from each other, then inputs
//! that refuse wrong programs which the others accept.

use std::collections::HashMap;

use crate::data::probe::N_COMMON;
use crate::data::synth::rivals::Exam;
use crate::data::value::Value;

/// Cases of a problem that may be edge cases of its first atom's domain.
const MAX_EDGES: usize = 4;

/// Chooses up to `count` of the questions in the pool, by their places. The first [`N_COMMON`] are those that
/// all problems share; all of them. The `n_edges` behind them are edge cases: at most [`MAX_EDGES`] of them,
/// each with an output of its own. Then, again and again, the earliest question whose output is the rarest
/// so far, so that a program that returns a constant, or one of two values, meets every value early. Inputs
/// on which the reference fails are left out.
pub fn choose(pool: &Exam, n_edges: usize, count: usize) -> Vec<usize> {
    let n_first = N_COMMON + n_edges;
    let answered =
        || pool.iter().enumerate().filter_map(|(place, (_, output))| Some((place, output.as_ref()?)));
    let mut times_seen: HashMap<&Value, usize> = HashMap::new();
    let mut chosen: Vec<usize> = Vec::with_capacity(count);
    for (place, output) in answered().filter(|(place, _)| *place < n_first) {
        let times = times_seen.entry(output).or_default();
        if place < N_COMMON || (*times == 0 && chosen.len() < N_COMMON + MAX_EDGES) {
            *times += 1;
            chosen.push(place);
        }
    }
    while chosen.len() < count {
        let left = answered().filter(|(place, _)| !chosen.contains(place));
        let times = |output: &Value| times_seen.get(output).copied().unwrap_or(0);
        let Some((place, output)) =
            left.min_by_key(|(place, output)| (times(output), *place < n_first, *place))
        else {
            break;
        };
        *times_seen.entry(output).or_default() += 1;
        chosen.push(place);
    }
    chosen
}

/// Adds to `chosen`, one by one, the place of the pool that refuses most of the rivals not yet
/// refused, until none is left that any input refuses or there are `most` cases.
/// `failures[r][i]`: rival `r` is wrong on input `i` of the pool. All are accepted by `chosen`.
pub fn reinforce(chosen: &mut Vec<usize>, failures: &[Vec<bool>], most: usize) {
    let mut accepted: Vec<&Vec<bool>> = failures.iter().collect();
    while chosen.len() < most {
        let n_inputs = accepted.first().map_or(0, |wrong| wrong.len());
        let refused = |place: usize| accepted.iter().filter(|wrong| wrong[place]).count();
        let best = (0..n_inputs).max_by_key(|&place| (refused(place), std::cmp::Reverse(place)));
        let Some(place) = best.filter(|&place| refused(place) > 0) else { break };
        accepted.retain(|wrong| !wrong[place]);
        chosen.push(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_inputs_and_edges_with_their_own_outputs_come_first_then_rare_outputs() {
        let exam = |outputs: &[i64]| outputs.iter().map(|i| (Value::Int(0), Some(Value::Int(*i)))).collect();
        // Three that all problems share, two edges, the rest.
        let mut pool: Exam = exam(&[1, 1, 1, 1, 2, 1, 3, 1, 3, 4]);
        assert_eq!(choose(&pool, 2, 7), [0, 1, 2, 4, 6, 9, 8]);
        pool[6].1 = None;
        assert_eq!(choose(&pool, 2, 6), [0, 1, 2, 4, 8, 9]);
    }

    #[test]
    fn cases_are_added_until_every_rival_that_can_be_is_refused() {
        let failures =
            [vec![false, true, false], vec![false, true, true], vec![true, false, false], vec![false; 3]];
        let mut chosen = vec![7];
        reinforce(&mut chosen, &failures, 10);
        assert_eq!(chosen, [7, 1, 0]);
        let mut chosen = vec![7];
        reinforce(&mut chosen, &failures, 2);
        assert_eq!(chosen, [7, 1]);
    }
}
