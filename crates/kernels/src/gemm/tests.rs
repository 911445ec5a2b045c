use super::*;

#[test]
fn products_of_odd_sizes() {
    let value = |i: usize| ((i * 29 + 7) % 23) as f32 - 11.0;
    for (m, n, inner) in [(1, 1, 1), (5, 17, 3), (4, 16, 8), (7, 33, 20), (3, 5, 0), (2, 15, 1)] {
        let a: Vec<f32> = (0..m * inner).map(value).collect();
        let b: Vec<f32> = (0..inner * n).map(|i| value(i + 5)).collect();
        let b_transposed: Vec<f32> = (0..inner * n).map(|i| b[(i % inner) * n + i / inner]).collect();
        for k in [0..inner, inner / 3..inner, 0..inner / 2] {
            let expected: Vec<f32> = (0..m * n)
                .map(|i| k.clone().map(|k| a[i / n * inner + k] * b[k * n + i % n]).sum())
                .collect();
            for panels in [
                Panels::packed(Matrix::rows(&b, n), inner, n),
                Panels::packed(Matrix::rows(&b_transposed, inner).transposed(), inner, n),
            ] {
                let mut c = vec![1.0; m * n];
                let a = Matrix::rows(&a[k.start..], inner);
                gemm(m, n, k.clone(), a, &panels, &mut c, n, Store::Overwrite);
                assert_eq!(c, expected, "{m} {n} {inner}");
                gemm(m, n, k.clone(), a, &panels, &mut c, n, Store::Add);
                assert!(c.iter().zip(&expected).all(|(c, e)| *c == 2.0 * e));
            }
        }
    }
}

#[test]
fn a_row_does_not_depend_on_the_number_of_rows() {
    let (n, inner) = (40, 57);
    let value = |i: usize| ((i * 31) % 101) as f32 / 77.0 - 0.6;
    let a: Vec<f32> = (0..9 * inner).map(value).collect();
    let b: Vec<f32> = (0..n * inner).map(|i| value(i + 3)).collect();
    let panels = Panels::packed(Matrix::rows(&b, n), inner, n);
    let product = |m: usize| {
        let mut c = vec![0.0; m * n];
        gemm(m, n, 0..inner, Matrix::rows(&a, inner), &panels, &mut c, n, Store::Overwrite);
        c
    };
    let all = product(9);
    for m in 1..9 {
        assert_eq!(product(m), all[..m * n]);
    }
}

#[test]
fn one_row_mixes_values() {
    let value = |i: usize| ((i * 29 + 7) % 23) as f32 - 11.0;
    for (inner, n) in [(1, 1), (3, 16), (9, 33), (40, 32)] {
        let b: Vec<f32> = (0..inner * n).map(value).collect();
        let panels = Panels::packed(Matrix::rows(&b, n), inner, n);
        for used in [0, 1, inner / 2, inner] {
            let weights: Vec<f32> = (0..used).map(|i| value(i + 3)).collect();
            let expected: Vec<f32> =
                (0..n).map(|j| (0..used).map(|i| weights[i] * b[i * n + j]).sum()).collect();
            let mut c = vec![1.0; n];
            mix(&weights, &panels, &mut c, Store::Overwrite);
            assert_eq!(c, expected, "{used} of {inner} rows, {n} columns");
            mix(&weights, &panels, &mut c, Store::Add);
            assert!(c.iter().zip(&expected).all(|(c, e)| *c == 2.0 * e));
        }
    }
}
