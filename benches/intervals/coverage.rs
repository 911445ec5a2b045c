//! Studies whose truth is known: how often does each interval hold it, and how wide is it?

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};
use sft_vs_rl::{Components, Contributions, Seed, SetComponents};
use statrs::distribution::{ContinuousCDF, Normal};

/// The intervals, in the order of [`Measured::methods`].
pub const METHODS: [&str; 3] = ["crossed", "bootstrap", "seeds alone (t)"];

/// Of all intervals.
pub const LEVEL: f64 = 0.95;

/// What studies are drawn from.
pub enum World {
    /// Normal effects: the model of the crossed interval.
    Normal(Components),
    /// Two arms that pass or fail `n_answers` times a problem and seed, by a probit model whose effects are
    /// normal: not the model of the interval. The means are of the latent variable.
    PassOrFail { means: [f64; 2], n_answers: u32 },
}

/// Standard deviations of a [`World::PassOrFail`]'s effects: seed and arm, problem, problem and arm, and
/// seed, problem and arm.
const DEVIATIONS: [f64; 4] = [0.1, 1.0, 0.4, 1.0];

impl World {
    /// Those of `data/records/version1/quick`: differences of two arms, as estimated there (medians over
    /// nine comparisons: problem .02 to .03, residual .12 sampled and .24 greedy, seed under .001; the
    /// gaps' seeds up to .007).
    pub fn all() -> Vec<(&'static str, World)> {
        let normal = |seed, sets: &[(f64, f64)]| {
            let of = |(problem, residual): &(f64, f64)| SetComponents {
                n_problems: 0,
                problem: *problem,
                residual: *residual,
            };
            World::Normal(Components { seed, sets: sets.iter().map(of).collect() })
        };
        vec![
            ("sampled difference", normal(0.001, &[(0.03, 0.12)])),
            ("greedy difference", normal(0.001, &[(0.04, 0.24)])),
            ("sampled gap", normal(0.005, &[(0.01, 0.12), (0.03, 0.12)])),
            ("pass or fail, greedy", World::PassOrFail { means: [0.5, 0.1], n_answers: 1 }),
            ("pass or fail, 8 answers", World::PassOrFail { means: [0.5, 0.1], n_answers: 8 }),
        ]
    }

    fn truth(&self) -> f64 {
        match self {
            World::Normal(_) => 0.0,
            World::PassOrFail { means, .. } => {
                let scale = (1.0 + DEVIATIONS.iter().map(|deviation| deviation.powi(2)).sum::<f64>()).sqrt();
                let rate = |mean: f64| Normal::standard().cdf(mean / scale);
                rate(means[0]) - rate(means[1])
            }
        }
    }

    fn draw(&self, n_seeds: usize, n_problems: usize, rng: &mut impl Rng) -> Contributions {
        let (means, n_answers) = match self {
            World::Normal(components) => {
                let mut components = components.clone();
                components.sets.iter_mut().for_each(|set| set.n_problems = n_problems);
                return components.simulate(n_seeds, rng);
            }
            World::PassOrFail { means, n_answers } => (means, *n_answers),
        };
        let [of_seed, of_problem, of_both, of_cell] = DEVIATIONS;
        let mut normal = |deviation: f64| -> f64 {
            let drawn: f64 = StandardNormal.sample(rng);
            deviation * drawn
        };
        let seeds: Vec<[f64; 2]> = (0..n_seeds).map(|_| [normal(of_seed), normal(of_seed)]).collect();
        let mut differences = Vec::new();
        for _ in 0..n_problems {
            let (shared, own) = (normal(of_problem), [normal(of_both), normal(of_both)]);
            for seed in &seeds {
                let rate = [0, 1].map(|arm| {
                    let latent = means[arm] + seed[arm] + shared + own[arm] + normal(of_cell);
                    let passed = (0..n_answers).filter(|_| latent + normal(1.0) > 0.0).count();
                    passed as f64 / f64::from(n_answers)
                });
                differences.push(rate[0] - rate[1]);
            }
        }
        Contributions { n_seeds, sets: vec![differences] }
    }
}

/// What a method did in all studies of a size.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Method {
    /// Share of the studies whose interval holds the truth.
    pub coverage: f64,
    /// Mean width.
    pub width: f64,
}

/// One world at one size.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measured {
    pub world: String,
    pub n_seeds: usize,
    pub n_problems: usize,
    /// In the order of [`METHODS`].
    pub methods: [Method; 3],
}

/// Draws `studies` studies and makes each interval of them; `draws` is of the bootstrap, 0 to leave it out.
pub fn measure(
    (name, world): &(&str, World),
    (n_seeds, n_problems): (usize, usize),
    studies: usize,
    draws: usize,
) -> Measured {
    let seed = Seed::new(2406).child(name).child_index(n_seeds as u64).child_index(n_problems as u64);
    let (mut rng, mut bootstrap) = (seed.stream("studies"), seed.stream("bootstrap"));
    let mut methods = [Method::default(); 3];
    let truth = world.truth();
    for _ in 0..studies {
        let study = world.draw(n_seeds, n_problems, &mut rng);
        let by_seed = study.by_seed();
        let value = by_seed.iter().sum::<f64>() / n_seeds as f64;
        let drawn = if draws > 0 { study.bootstrap(draws, LEVEL, &mut bootstrap) } else { (value, value) };
        let alone = study.seeds_alone(value, LEVEL).unwrap_or((value, value));
        for (method, (low, high)) in
            methods.iter_mut().zip([study.spread().interval(value, LEVEL), drawn, alone])
        {
            method.coverage += f64::from(u8::from((low..=high).contains(&truth))) / studies as f64;
            method.width += (high - low) / studies as f64;
        }
    }
    Measured { world: (*name).to_owned(), n_seeds, n_problems, methods }
}
