//! What the losses need besides the network, as differentiable operations whose order of summation
//! and whose exponential are ours: candle's matrix products and sums, and the C library's `expf`,
//! depend on the CPU.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::instructions::vectorized;
use super::operation::{self, Operation, cpu_slice};
use super::simd::{dot, exponentials, sum};

/// `e^x`, element by element.
pub fn exp(x: &Tensor) -> Result<Tensor> {
    if x.device().is_cpu() { x.contiguous()?.apply_op1(Exp) } else { x.exp() }
}

/// One linear unit, `states . weight + bias`: the value head of PPO.
///
/// # Shapes
/// `states (rows, hidden)`, `weight (1, hidden)`, `bias (1,)`; returns `(rows,)`
pub fn linear_unit(states: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    if states.device().is_cpu() {
        let weight = Tensor::cat(&[&weight.flatten_all()?, bias], 0)?;
        return operation::apply(LinearUnit, states, &weight);
    }
    states.matmul(&weight.t()?)?.squeeze(1)?.broadcast_add(bias)
}

vectorized! {
    fn linear_unit_forward(states: &[f32], weight: &[f32], bias: f32, y: &mut [f32]) {
        for (y, state) in y.iter_mut().zip(states.chunks_exact(weight.len())) {
            *y = dot(state, weight) + bias;
        }
    }

    /// Writes the gradient of the states and adds to that of the weight, row after row.
    fn linear_unit_backward(states: &[f32], weight: &[f32], dy: &[f32], dstates: &mut [f32], dweight: &mut [f32]) {
        let width = weight.len();
        for ((state, dstate), &dy) in states.chunks_exact(width).zip(dstates.chunks_exact_mut(width)).zip(dy) {
            for (((dw, &x), dx), &w) in dweight.iter_mut().zip(state).zip(dstate).zip(weight) {
                *dw += dy * x;
                *dx = dy * w;
            }
        }
    }
}

struct Exp;

impl CustomOp1 for Exp {
    fn name(&self) -> &'static str {
        "exp"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut y = cpu_slice(x, layout)?.to_vec();
        exponentials(&mut y, 0.0, 1.0);
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, _x: &Tensor, y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some((y * dy)?))
    }
}

struct LinearUnit;

impl Operation for LinearUnit {
    const NAME: &'static str = "linear-unit";

    /// `weight`: that and, after it, the bias.
    fn forward(&self, states: &[f32], weight: &[f32]) -> (Vec<f32>, Shape) {
        let (bias, weight) = (weight[weight.len() - 1], &weight[..weight.len() - 1]);
        let mut y = vec![0.0; states.len() / weight.len()];
        linear_unit_forward(states, weight, bias, &mut y);
        let rows = y.len();
        (y, Shape::from(rows))
    }

    fn backward(&self, states: &[f32], weight: &[f32], dy: &[f32]) -> Option<(Vec<f32>, Vec<f32>)> {
        let weight = &weight[..weight.len() - 1];
        let (mut dstates, mut dweight) = (vec![0.0; states.len()], vec![0.0; weight.len()]);
        linear_unit_backward(states, weight, dy, &mut dstates, &mut dweight);
        dweight.push(sum(dy));
        Some((dstates, dweight))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::super::testing::numbers;
    use super::*;

    /// Value and gradients equal those of candle's own operations up to rounding.
    fn assert_same(inputs: &[&Var], ours: &Tensor, candle: &Tensor) {
        let close = |a: &Tensor, b: &Tensor| {
            let difference = (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(difference < 1e-5, "{difference}");
        };
        close(ours, candle);
        let weights = Tensor::from_vec(numbers(ours.elem_count(), 9), ours.shape(), &Device::Cpu).unwrap();
        let gradients = |y: &Tensor| (y * &weights).unwrap().sum_all().unwrap().backward().unwrap();
        let (ours, candle) = (gradients(ours), gradients(candle));
        inputs.iter().for_each(|input| close(ours.get(input).unwrap(), candle.get(input).unwrap()));
    }

    #[test]
    fn operations_agree_with_those_of_candle() {
        let var = |shape: &[usize], seed| {
            Var::from_vec(numbers(shape.iter().product(), seed), shape, &Device::Cpu).unwrap()
        };
        let x = var(&[37], 1);
        assert_same(&[&x], &exp(&x).unwrap(), &x.exp().unwrap());
        let (states, weight, bias) = (var(&[9, 19], 2), var(&[1, 19], 3), var(&[1], 4));
        let candle = states.matmul(&weight.t().unwrap()).unwrap().squeeze(1).unwrap();
        let candle = candle.broadcast_add(&bias).unwrap();
        assert_same(&[&states, &weight, &bias], &linear_unit(&states, &weight, &bias).unwrap(), &candle);
    }

    #[test]
    fn equal_log_probabilities_have_a_ratio_of_exactly_one() {
        assert_eq!(
            exp(&Tensor::zeros(3, candle_core::DType::F32, &Device::Cpu).unwrap())
                .unwrap()
                .to_vec1::<f32>()
                .unwrap(),
            [1.0; 3]
        );
    }
}
