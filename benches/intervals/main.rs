//! How often the study's intervals hold the truth, in simulated studies: `make bench-intervals`, some
//! minutes. A table goes to stdout, the numbers to `data/records/bench/intervals.json`, a picture to
//! `figures/intervals.svg`; with the argument `draw` the picture is drawn again from the numbers.

mod coverage;
mod figure;

use coverage::{METHODS, Measured, World, measure};
use figure::intervals_figure;
use serde::{Deserialize, Serialize};
use sft_vs_rl::{Result, project_root, read_json, write_atomically};

const STUDIES: usize = 2000;
const DRAWS: usize = 1000;

#[derive(Serialize, Deserialize)]
struct Record {
    studies: usize,
    bootstrap_draws: usize,
    measured: Vec<Measured>,
}

fn main() -> Result<()> {
    let path = project_root().join("data/records/bench/intervals.json");
    if !std::env::args().any(|argument| argument == "draw") {
        let mut measured = Vec::new();
        for world in World::all() {
            for n_seeds in [3, 5, 10] {
                for n_problems in [60, 240] {
                    let one = measure(&world, (n_seeds, n_problems), STUDIES, DRAWS);
                    print!("{:24} {n_seeds:2} seeds {n_problems:3} problems", one.world);
                    for (name, method) in METHODS.iter().zip(&one.methods) {
                        print!("   {name} {:.3} ({:.1})", method.coverage, 100.0 * method.width);
                    }
                    println!();
                    measured.push(one);
                }
            }
        }
        let record = Record { studies: STUDIES, bootstrap_draws: DRAWS, measured };
        write_atomically(&path, format!("{:#}\n", serde_json::to_value(&record)?).as_bytes())?;
    }
    let record: Record = read_json(&path)?;
    intervals_figure(&record.measured, record.studies)?.save(project_root().join("figures/intervals.svg"))
}
